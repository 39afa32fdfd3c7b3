-- Who did what. What is told lands in the inbox, in the order in which it came; the sealer takes it from
-- there into one chain for each tenant, and nobody may change or delete what is in a chain.
create table audit_inbox (
  n bigint generated always as identity primary key,
  tenant_id uuid not null,
  id uuid not null,
  -- A change is told before it is made and again when it has ended; all else is told whole.
  part text not null check (part in ('begun', 'ended', 'whole')),
  entry text not null,
  -- Real time, as leases are: it says for how long the end of a change has not come.
  written_at timestamptz not null default clock_timestamp()
);
create index audit_inbox_by_id on audit_inbox (id);
alter table audit_inbox enable row level security;
alter table audit_inbox force row level security;
-- Entries of many tenants share a commit, and who may insert can read none of them.
create policy telling on audit_inbox for insert to cloudflow_app with check (true);
create policy sealer on audit_inbox to cloudflow_relay using (true);
grant insert on audit_inbox to cloudflow_app;
grant select, delete on audit_inbox to cloudflow_relay;

create table audit_events (
  tenant_id uuid not null,
  id uuid not null,
  seq bigint not null,
  -- What is hashed, letter by letter. All that lists ask for is read out of it, so that it cannot differ.
  content text not null,
  -- Outside of the chain, which holds its hash: it can be erased, and cannot be exchanged.
  personal jsonb,
  hash bytea not null check (octet_length(hash) = 32),
  at bigint not null generated always as ((content::jsonb ->> 'at')::bigint) stored,
  actor text not null generated always as (content::jsonb ->> 'actor') stored,
  operation text not null generated always as (content::jsonb ->> 'operation') stored,
  target text generated always as (content::jsonb ->> 'target') stored,
  outcome text not null generated always as (content::jsonb ->> 'outcome') stored,
  primary key (tenant_id, id)
) partition by range (id);
create index audit_events_by_seq on audit_events (tenant_id, seq);
create index audit_events_by_actor on audit_events (tenant_id, actor, seq);
create index audit_events_by_target on audit_events (tenant_id, target, seq) where target is not null;

-- The end of each chain, and how far it is signed.
create table audit_chains (
  tenant_id uuid primary key,
  seq bigint not null,
  hash bytea not null check (octet_length(hash) = 32),
  signed_seq bigint not null default 0
);

create table audit_heads (
  tenant_id uuid not null,
  seq bigint not null,
  hash bytea not null,
  at timestamptz not null,
  kid text not null,
  signature text not null,
  -- The public part of the key, for it is published no longer than tokens live.
  n text not null,
  e text not null,
  primary key (tenant_id, seq)
);

do $$
declare
  name text;
begin
  foreach name in array array['audit_events', 'audit_chains', 'audit_heads'] loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format('create policy tenant on %I for select to cloudflow_app
                      using (tenant_id = (select app_tenant()))', name);
    execute format('create policy sealer on %I to cloudflow_relay using (true) with check (true)', name);
    execute format('create policy auditor on %I for select to cloudflow_auditor using (true)', name);
    execute format('grant select on %I to cloudflow_app, cloudflow_auditor', name);
    execute format('grant select, insert on %I to cloudflow_relay', name);
  end loop;
end $$;
revoke select on audit_chains from cloudflow_app;
grant update on audit_chains to cloudflow_relay;

-- As before, with one parent more.
create or replace function ensure_partitions(p_from timestamptz, p_to timestamptz) returns integer
  language plpgsql security definer
  set search_path = pg_catalog, public
  set timezone = 'UTC'
  as $$
declare
  month timestamptz := date_trunc('month', p_from);
  day timestamptz := date_trunc('day', p_from);
  parent text;
  made integer := 0;
begin
  if p_to < p_from or p_to > p_from + interval '400 days'
     or p_from < '2000-01-01' or p_to >= '2200-01-01' then
    raise exception 'partitions from % to %: use a range of at most 400 days between 2000 and 2200',
      p_from, p_to using errcode = '22023';
  end if;
  perform pg_advisory_xact_lock(hashtext('cloudflow.partitions'));
  while month <= p_to loop
    foreach parent in array array['workflow_executions', 'execution_events', 'workflow_steps',
                                  'execution_search', 'audit_events'] loop
      made := made + ensure_partition(
        parent, parent || to_char(month, '_YYYYMM'),
        uuid_v7_floor(month)::text, uuid_v7_floor(month + interval '1 month')::text)::integer;
    end loop;
    month := month + interval '1 month';
  end loop;
  -- Days of the outbox only near the start: it is written at the time it is, never ahead.
  while day <= least(p_to, p_from + interval '3 days') loop
    made := made + ensure_partition(
      'outbox', 'outbox' || to_char(day, '_YYYYMMDD'),
      day::text, (day + interval '1 day')::text)::integer;
    day := day + interval '1 day';
  end loop;
  return made;
end $$;
grant execute on function ensure_partitions(timestamptz, timestamptz) to cloudflow_relay;
