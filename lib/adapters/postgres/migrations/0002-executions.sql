-- Executions: the log and its projections. The three large tables are partitioned by month of the
-- execution's id (UUID v7), so an id alone finds its partition and an old month is dropped whole.
-- Every index here is paid for by each transition: none is added without a query that needs it.

create table workflow_executions (
  tenant_id uuid not null,
  id uuid not null,
  root_id uuid not null,
  parent_id uuid,
  parent_step text,
  retry_of uuid,
  depth smallint not null,
  workflow_id text not null,
  version text not null,
  program_hash text not null,
  runtime text not null check (runtime in ('engine', 'step_functions')),
  mode text not null check (mode in ('live', 'test')),
  status text not null check (status in ('PENDING', 'RUNNING', 'COMPLETED', 'FAILED', 'CANCELLED')),
  -- The status once it is final, else null. Indexed in place of status, so that the step from PENDING
  -- to RUNNING changes nothing that an index holds and stays on its page.
  outcome text generated always as
    (case when status in ('COMPLETED', 'FAILED', 'CANCELLED') then status end) stored,
  phase text,
  labels jsonb not null default '{}',
  correlation_id text,
  -- Of the input's canonical JSON: tells a repeat from a conflict without reading the payload.
  -- The input itself is in event 1 and nowhere else.
  input_hash text not null,
  output text,
  error text,
  compensation text,
  -- Whoever runs it now; null: nobody, and `wake_at` says from when on anyone may.
  owner text,
  epoch integer not null,
  wake_at timestamptz,
  -- How many signals were ever stored: a release that knows of fewer is refused.
  signals integer not null default 0,
  created_at timestamptz not null,
  started_at timestamptz,
  ended_at timestamptz,
  primary key (tenant_id, id)
) partition by range (id);

-- The condition is always true, and it is what keeps this index out of look-ups by (tenant, id): the
-- planner can only use it where a query names a workflow. On a table that was empty when the plan was
-- made it cost the same as the primary key, and then read 50 pages a row instead of 3.
create index workflow_executions_by_workflow on workflow_executions (tenant_id, workflow_id, id)
  where workflow_id is not null;
create index workflow_executions_by_outcome on workflow_executions (tenant_id, outcome, id)
  where outcome is not null;
-- What has not ended: lists of it, and take-over, which reads all of it but only when a process died.
create index workflow_executions_active on workflow_executions (tenant_id, id)
  where outcome is null;
create index workflow_executions_by_parent on workflow_executions (tenant_id, parent_id)
  where parent_id is not null;
create index workflow_executions_by_root on workflow_executions (tenant_id, root_id, id)
  where root_id <> id;
create index workflow_executions_due on workflow_executions (wake_at)
  where owner is null and wake_at is not null;

create table execution_events (
  tenant_id uuid not null,
  execution_id uuid not null,
  seq integer not null,
  epoch integer not null,
  at timestamptz not null,
  type text not null,
  payload text not null,
  primary key (tenant_id, execution_id, seq)
) partition by range (execution_id);

create table workflow_steps (
  tenant_id uuid not null,
  execution_id uuid not null,
  step text not null,
  status text not null check (status in ('QUEUED', 'EXECUTING', 'SUCCESS', 'FAILED', 'SKIPPED')),
  class text check (class in ('S', 'F', 'U', 'K')),
  reason text,
  phase text,
  attempts integer not null,
  started_at timestamptz,
  ended_at timestamptz,
  due_at timestamptz,
  output text,
  error text,
  primary key (tenant_id, execution_id, step)
) partition by range (execution_id);

-- Only of executions that have not ended: the log alone is enough afterwards.
create table execution_checkpoints (
  tenant_id uuid not null,
  execution_id uuid not null,
  seq integer not null,
  state text not null,
  primary key (tenant_id, execution_id)
);

-- Only those which are not in the log yet.
create table execution_signals (
  id bigint generated always as identity,
  tenant_id uuid not null,
  execution_id uuid not null,
  at timestamptz not null,
  payload text not null,
  primary key (tenant_id, execution_id, id)
);

-- Written once at acceptance and only where there is something to find, so that the indexes of
-- search cost a transition nothing.
create table execution_search (
  tenant_id uuid not null,
  execution_id uuid not null,
  labels jsonb not null,
  document tsvector not null,
  primary key (tenant_id, execution_id)
) partition by range (execution_id);
create index execution_search_labels on execution_search using gin (tenant_id, labels jsonb_path_ops);
create index execution_search_document on execution_search using gin (tenant_id, document);

-- A lease is real time, not business time: it measures a process, so the server's clock keeps it.
create table engine_processes (
  owner text primary key,
  started_at timestamptz not null default clock_timestamp(),
  lease_until timestamptz not null
);

do $$
declare
  name text;
begin
  foreach name in array array['workflow_executions', 'execution_events', 'workflow_steps',
                              'execution_checkpoints', 'execution_signals', 'execution_search'] loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format(
      'create policy tenant on %I to cloudflow_app
         using (tenant_id = (select app_tenant())) with check (tenant_id = (select app_tenant()))',
      name);
    -- The engine serves all tenants; its fence is the epoch.
    execute format(
      'create policy engine on %I to cloudflow_engine using (true) with check (true)', name);
  end loop;
end $$;

grant select, insert, update on workflow_executions to cloudflow_app;
grant select, insert on execution_events to cloudflow_app;
grant select, insert, update on workflow_steps to cloudflow_app;
grant select, delete on execution_checkpoints to cloudflow_app;
grant select, insert, delete on execution_signals to cloudflow_app;
grant select, insert on execution_search to cloudflow_app;

grant select, update on workflow_executions to cloudflow_engine;
grant select, insert on execution_events to cloudflow_engine;
grant select, insert, update on workflow_steps to cloudflow_engine;
grant select, insert, update, delete on execution_checkpoints to cloudflow_engine;
grant select, insert, delete on execution_signals to cloudflow_engine;
grant select, insert, update, delete on engine_processes to cloudflow_engine;

-- Search runs as a role of its own: under a policy with a condition no index may serve an operator
-- that is not leakproof, and neither `@>` nor `@@` is. The tenant still comes from the transaction.
create policy lookup on execution_search to cloudflow_lookup using (true);
grant select on execution_search to cloudflow_lookup;

create function search_executions(
  p_labels jsonb, p_text text, p_from uuid, p_to uuid, p_limit integer
) returns setof uuid
  language sql stable security definer
  set search_path = pg_catalog, public
  as $$
    select s.execution_id
    from public.execution_search s
    where s.tenant_id = (select public.app_tenant())
      and (p_labels is null or s.labels @> p_labels)
      and (p_text is null or s.document @@ plainto_tsquery('simple', p_text))
      and s.execution_id >= p_from and s.execution_id < p_to
    order by s.execution_id desc
    limit p_limit
  $$;
alter function search_executions(jsonb, text, uuid, uuid, integer) owner to cloudflow_lookup;
grant execute on function search_executions(jsonb, text, uuid, uuid, integer) to cloudflow_app;
