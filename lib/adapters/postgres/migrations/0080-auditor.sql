-- Reads executions of all tenants to hold them against their logs, and writes nothing at all.
do $$
begin
  create role cloudflow_auditor nologin nosuperuser nobypassrls nocreatedb nocreaterole;
exception when duplicate_object or unique_violation then null;
end $$;
grant usage on schema public to cloudflow_auditor;

do $$
declare
  name text;
begin
  foreach name in array array['workflow_executions', 'execution_events', 'workflow_steps',
                              'workflow_versions', 'tenants'] loop
    execute format('create policy auditor on %I for select to cloudflow_auditor using (true)', name);
    execute format('grant select on %I to cloudflow_auditor', name);
  end loop;
end $$;
