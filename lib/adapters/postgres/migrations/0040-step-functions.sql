-- The Step Functions runtime: tokens of tasks that wait, and the histories of the local interpreter.

create table task_tokens (
  tenant_id uuid not null,
  execution_id uuid not null,
  -- A step key, or `undo:` and a step key.
  key text not null,
  token text not null,
  primary key (tenant_id, execution_id, key)
);

-- Rows of the interpreter of the States Language, never changed: what AWS keeps for its executions.
create table asl_history (
  execution_arn text not null,
  seq integer not null,
  payload text not null,
  primary key (execution_arn, seq)
);
create table asl_open (
  execution_arn text primary key
);

alter table task_tokens enable row level security;
alter table task_tokens force row level security;
create policy tenant on task_tokens to cloudflow_app
  using (tenant_id = (select app_tenant())) with check (tenant_id = (select app_tenant()));
create policy engine on task_tokens to cloudflow_engine using (true) with check (true);
grant select, insert, update, delete on task_tokens to cloudflow_engine;
grant select, insert on asl_history to cloudflow_engine;
grant select, insert, delete on asl_open to cloudflow_engine;

-- What the driver looks for: few rows, since most executions have ended or run on the engine.
create index workflow_executions_on_step_functions on workflow_executions (status, id)
  where runtime = 'step_functions' and status in ('PENDING', 'RUNNING');

-- Gives an execution whose machine has stopped to the engine, which ends it: cancelled, timed out, and
-- undone where that was asked for. The signal that asked for it stays for the engine to consume.
create function hand_to_engine(p_tenant uuid, p_id uuid, p_now timestamptz) returns boolean
  language sql
  as $$
    update workflow_executions e set wake_at = p_now
    where e.tenant_id = p_tenant and e.id = p_id and e.runtime = 'step_functions'
      and e.owner is null and e.status in ('PENDING', 'RUNNING')
    returning true
  $$;
revoke execute on function hand_to_engine from public;
grant execute on function hand_to_engine to cloudflow_engine;

-- All rows or none. False when one of the numbers is taken: somebody else wrote.
create function append_asl_history(
  p_arn text, p_seq integer[], p_payload text[], p_ends boolean
) returns boolean
  language plpgsql
  as $$
begin
  insert into asl_history (execution_arn, seq, payload)
  select p_arn, r.seq, r.payload from unnest(p_seq, p_payload) r (seq, payload);
  if 1 = any (p_seq) then
    insert into asl_open (execution_arn) values (p_arn) on conflict do nothing;
  end if;
  if p_ends then
    delete from asl_open where execution_arn = p_arn;
  end if;
  return true;
exception when unique_violation then
  return false;
end $$;
revoke execute on function append_asl_history from public;
grant execute on function append_asl_history to cloudflow_engine;
