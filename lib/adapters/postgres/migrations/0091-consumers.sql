-- What readers of topics make of events, and what they could not use. That an event was seen is written in
-- the transaction of its effect, and remembered for longer than its topic can bring it again.
create table processed_events (
  consumer_group text not null,
  event_id uuid not null,
  until timestamptz not null,
  primary key (consumer_group, event_id)
);
create index processed_events_by_end on processed_events (until);
grant select, insert, delete on processed_events to cloudflow_relay;

create table execution_days (
  tenant_id uuid not null,
  mode text not null check (mode in ('live', 'test')),
  day date not null,
  workflow_id text not null,
  runtime text not null,
  created bigint not null default 0,
  started bigint not null default 0,
  completed bigint not null default 0,
  failed bigint not null default 0,
  cancelled bigint not null default 0,
  -- Of those that have ended, from acceptance to the end.
  duration_ms numeric not null default 0,
  primary key (tenant_id, mode, day, workflow_id, runtime)
);

create table usage_records (
  tenant_id uuid not null,
  mode text not null check (mode in ('live', 'test')),
  kind text not null check (kind in ('execution')),
  execution_id uuid not null,
  workflow_id text not null,
  runtime text not null,
  quantity bigint not null,
  duration_ms bigint not null,
  at timestamptz not null,
  event_id uuid not null,
  primary key (tenant_id, execution_id, kind)
);
create index usage_records_by_time on usage_records (tenant_id, mode, at);

create table dead_letters (
  id uuid primary key,
  -- Null: the message did not say whose it is.
  tenant_id uuid,
  mode text not null check (mode in ('live', 'test')),
  consumer_group text not null,
  topic text not null,
  key text not null,
  event_id uuid not null,
  event_type text,
  payload text,
  error_name text not null,
  error_code text,
  fingerprint text not null,
  attempts integer not null,
  critical boolean not null,
  status text not null check (status in ('open', 'redriven', 'discarded')),
  first_at timestamptz not null,
  last_at timestamptz not null,
  due_at timestamptz not null,
  closed_at timestamptz,
  closed_by text,
  reason text,
  unique (consumer_group, event_id)
);
create index dead_letters_of_tenant on dead_letters (tenant_id, mode, id);
create index dead_letters_open on dead_letters (due_at) where status = 'open';
create index dead_letters_closed on dead_letters (closed_at) where status <> 'open';

do $$
declare
  name text;
begin
  foreach name in array array['execution_days', 'usage_records', 'dead_letters'] loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format('create policy tenant on %I to cloudflow_app
                      using (tenant_id = (select app_tenant()))
                      with check (tenant_id = (select app_tenant()))', name);
    execute format('create policy relay on %I to cloudflow_relay using (true) with check (true)', name);
    execute format('grant select on %I to cloudflow_app', name);
    execute format('grant select, insert on %I to cloudflow_relay', name);
  end loop;
end $$;
grant update on execution_days to cloudflow_relay;
grant update, delete on dead_letters to cloudflow_relay;
grant update (status, closed_at, closed_by, reason) on dead_letters to cloudflow_app;
grant insert on audit_inbox to cloudflow_relay;
