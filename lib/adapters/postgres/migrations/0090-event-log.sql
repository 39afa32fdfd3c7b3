-- The outbox as the event log of a platform without Kafka, and as what the relay reads with it: headers
-- beside each message, and one reader of a group at a time, held by a lease whose epoch fences its commits.
alter table outbox add column headers jsonb;

create table outbox_leases (
  consumer_group text not null,
  topic text not null,
  owner uuid not null,
  epoch bigint not null,
  -- Real time, as all leases are.
  until timestamptz not null,
  primary key (consumer_group, topic)
);
grant select, insert, update, delete on outbox_leases to cloudflow_relay;

create policy relay_writes on outbox for insert to cloudflow_relay with check (true);
grant insert on outbox to cloudflow_relay;
grant execute on function ensure_partitions(timestamptz, timestamptz) to cloudflow_relay;
