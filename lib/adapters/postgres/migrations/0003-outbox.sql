-- The outbox is a log, not a queue: nobody deletes rows, days are dropped. A row's place is
-- (transaction, id), and a reader stops at the oldest transaction that still runs: ids alone would
-- let it pass a row that is committed late.
create table outbox (
  id bigint generated always as identity,
  xid xid8 not null default pg_current_xact_id(),
  tenant_id uuid not null,
  topic text not null,
  key text not null,
  at timestamptz not null,
  payload text not null
) partition by range (at);
create index outbox_in_order on outbox (topic, xid, id);

create table outbox_offsets (
  consumer_group text not null,
  topic text not null,
  xid xid8 not null,
  id bigint not null,
  primary key (consumer_group, topic)
);

alter table outbox enable row level security;
alter table outbox force row level security;
create policy tenant on outbox for insert to cloudflow_app
  with check (tenant_id = (select app_tenant()));
create policy engine on outbox for insert to cloudflow_engine with check (true);
create policy relay on outbox for select to cloudflow_relay using (true);

grant insert on outbox to cloudflow_app, cloudflow_engine;
grant select on outbox to cloudflow_relay;
grant select, insert, update, delete on outbox_offsets to cloudflow_relay;
