-- What the integrity check found broken is set aside: nobody moves it until somebody who has looked at it lets
-- it go. Its owner is nobody who could have a lease, so no engine claims it and none takes it over, and its
-- epoch is another, so whoever had it is fenced.
create table quarantined_executions (
  tenant_id uuid not null,
  execution_id uuid not null,
  workflow_id text not null,
  mode text not null check (mode in ('live', 'test')),
  -- What does not hold, as a word, and in a sentence that quotes nothing of the tenant's.
  code text not null,
  reason text not null,
  at timestamptz not null,
  primary key (tenant_id, execution_id)
);
alter table quarantined_executions enable row level security;
alter table quarantined_executions force row level security;

-- Owns the one function below and is nobody that a program logs in as.
do $$
begin
  create role cloudflow_warden nologin nosuperuser nobypassrls nocreatedb nocreaterole;
exception when duplicate_object or unique_violation then null;
end $$;
grant usage on schema public to cloudflow_warden;

create policy tenant on quarantined_executions to cloudflow_app
  using (tenant_id = (select app_tenant())) with check (tenant_id = (select app_tenant()));
create policy warden on quarantined_executions to cloudflow_warden using (true) with check (true);
create policy auditor on quarantined_executions for select to cloudflow_auditor using (true);
create policy warden on workflow_executions to cloudflow_warden using (true) with check (true);
create policy warden on audit_inbox for insert to cloudflow_warden with check (true);
grant select, delete on quarantined_executions to cloudflow_app;
grant select, insert on quarantined_executions to cloudflow_warden;
grant select on quarantined_executions to cloudflow_auditor;
grant select, update (owner, epoch, wake_at) on workflow_executions to cloudflow_warden;
grant insert on audit_inbox to cloudflow_warden;

-- The one thing that whoever checks may do besides reading. Told in the transaction that does it; false: there
-- is no such execution, or it is set aside already.
create function quarantine_execution(
  p_tenant uuid, p_id uuid, p_code text, p_reason text, p_at timestamptz, p_told uuid, p_entry text
) returns boolean
  language plpgsql security definer
  set search_path = pg_catalog, public
  as $$
begin
  perform from public.workflow_executions e
  where e.tenant_id = p_tenant and e.id = p_id for update;
  insert into public.quarantined_executions
    (tenant_id, execution_id, workflow_id, mode, code, reason, at)
  select e.tenant_id, e.id, e.workflow_id, e.mode, p_code, p_reason, p_at
  from public.workflow_executions e
  where e.tenant_id = p_tenant and e.id = p_id
    and not exists (select from public.quarantined_executions q
                    where q.tenant_id = p_tenant and q.execution_id = p_id);
  if not found then
    return false;
  end if;
  update public.workflow_executions e
  set owner = 'quarantine', epoch = e.epoch + 1, wake_at = null
  where e.tenant_id = p_tenant and e.id = p_id and e.outcome is null;
  insert into public.audit_inbox (tenant_id, id, part, entry)
  values (p_tenant, p_told, 'whole', p_entry);
  return true;
end $$;
grant create on schema public to cloudflow_warden;
alter function quarantine_execution(uuid, uuid, text, text, timestamptz, uuid, text)
  owner to cloudflow_warden;
revoke create on schema public from cloudflow_warden;
revoke execute on function quarantine_execution from public;
grant execute on function quarantine_execution to cloudflow_auditor;

-- Lets one go: it is moved again from where its log says that it is. False: it was not set aside.
create function release_quarantined(p_tenant uuid, p_id uuid, p_at timestamptz) returns boolean
  language plpgsql
  as $$
begin
  perform set_config('app.tenant', p_tenant::text, true);
  perform from workflow_executions e where e.tenant_id = p_tenant and e.id = p_id for update;
  delete from quarantined_executions q where q.tenant_id = p_tenant and q.execution_id = p_id;
  if not found then
    return false;
  end if;
  update workflow_executions e
  set owner = null, epoch = e.epoch + 1,
      -- Only the engine wakes by time, and one that waits to begin is let in by what holds it.
      wake_at = case when e.runtime = 'engine' and e.phase is distinct from 'queued' then p_at end
  where e.tenant_id = p_tenant and e.id = p_id and e.owner = 'quarantine';
  return true;
end $$;
revoke execute on function release_quarantined from public;
grant execute on function release_quarantined to cloudflow_app;
