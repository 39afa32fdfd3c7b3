-- Mail leaves the database, so that it was sent cannot be written in the transaction of its effect. What is written
-- is every try before it is made: whoever comes after a crash knows how many there were.
create table mail_tries (
  event_id uuid primary key,
  tries smallint not null,
  -- One try at a time: nobody else begins before.
  busy_until timestamptz not null,
  sent_at timestamptz,
  until timestamptz not null
);
create index mail_tries_by_end on mail_tries (until);
grant select, insert, update, delete on mail_tries to cloudflow_relay;
