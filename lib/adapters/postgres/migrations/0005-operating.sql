-- What people and other systems answer to, and what makes a repeated request harmless.

create table approvals (
  tenant_id uuid not null,
  id uuid not null,
  execution_id uuid not null,
  workflow_id text not null,
  step text not null,
  mode text not null check (mode in ('live', 'test')),
  assignees text[] not null,
  message text,
  status text not null check (status in ('pending', 'approved', 'rejected', 'closed')),
  requested_at timestamptz not null,
  due_at timestamptz not null,
  answered_by text,
  answered_at timestamptz,
  comment text,
  primary key (tenant_id, id),
  unique (tenant_id, execution_id, step)
);
-- The condition is always true: see workflow_executions_by_workflow. Ends of executions close approvals
-- by (tenant, execution).
create index approvals_by_status on approvals (tenant_id, status, id) where id is not null;

-- A token is shown once, in the request that hands it out; only its hash is kept.
create table callbacks (
  token_hash text primary key,
  tenant_id uuid not null,
  execution_id uuid not null,
  step text not null,
  mode text not null check (mode in ('live', 'test')),
  expires_at timestamptz not null,
  finished_at timestamptz
);
create index callbacks_by_execution on callbacks (tenant_id, execution_id);
create index callbacks_expired on callbacks (expires_at);

create table idempotency_records (
  tenant_id uuid not null,
  key text not null,
  fingerprint text not null,
  -- One of the two: what was started, or the answer as it was given.
  execution_id uuid,
  response text,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  primary key (tenant_id, key)
);
create index idempotency_records_expired on idempotency_records (expires_at);

do $$
declare
  name text;
begin
  foreach name in array array['approvals', 'callbacks', 'idempotency_records'] loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format(
      'create policy tenant on %I to cloudflow_app
         using (tenant_id = (select app_tenant())) with check (tenant_id = (select app_tenant()))',
      name);
  end loop;
end $$;
create policy engine on approvals to cloudflow_engine using (true) with check (true);
create policy engine on callbacks to cloudflow_engine using (true) with check (true);

grant select, update on approvals to cloudflow_app;
grant select, update on callbacks to cloudflow_app;
grant select, insert, update, delete on idempotency_records to cloudflow_app;
grant select, insert, update on approvals to cloudflow_engine;
grant select, insert, update on callbacks to cloudflow_engine;

-- The token is the credential, so the tenant is what is being looked up.
create policy lookup on callbacks to cloudflow_lookup using (true);
grant select on callbacks to cloudflow_lookup;
create function find_callback(p_token_hash text)
  returns table (tenant_id uuid, execution_id uuid, step text, expires_at timestamptz,
                 finished_at timestamptz)
  language sql stable security definer
  set search_path = pg_catalog, public
  as $$
    select c.tenant_id, c.execution_id, c.step, c.expires_at, c.finished_at
    from public.callbacks c where c.token_hash = p_token_hash
  $$;
alter function find_callback(text) owner to cloudflow_lookup;
grant execute on function find_callback(text) to cloudflow_app, cloudflow_login;
