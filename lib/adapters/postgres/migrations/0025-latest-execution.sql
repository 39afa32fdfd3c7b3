-- The newest execution of a workflow, in one round trip: it is shown with every read of a workflow.
create function latest_execution(p_tenant uuid, p_mode text, p_workflow text)
  returns table (id uuid, status text, version text, created_at timestamptz, ended_at timestamptz)
  language plpgsql
  as $$
begin
  perform set_config('app.tenant', p_tenant::text, true);
  return query
    select e.id, e.status, e.version, e.created_at, e.ended_at
    from workflow_executions e
    where e.tenant_id = p_tenant and e.workflow_id = p_workflow and e.mode = p_mode
    order by e.id desc limit 1;
end $$;
grant execute on function latest_execution to cloudflow_app;
