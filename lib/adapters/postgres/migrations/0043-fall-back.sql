-- Executions that were to begin on Step Functions, which has no room for them.

-- Makes an execution that has not begun one of the engine, which claims it as any other. Its log has
-- said so before; whether its machine began all the same was asked before.
create function fall_back_to_engine(p_tenant uuid, p_id uuid, p_now timestamptz) returns boolean
  language sql
  as $$
    update workflow_executions e set runtime = 'engine', wake_at = p_now
    where e.tenant_id = p_tenant and e.id = p_id and e.runtime = 'step_functions'
      and e.owner is null and e.wake_at is null and e.status = 'PENDING'
    returning true
  $$;
revoke execute on function fall_back_to_engine from public;
grant execute on function fall_back_to_engine to cloudflow_engine;
