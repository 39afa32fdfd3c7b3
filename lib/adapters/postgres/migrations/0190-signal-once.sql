-- A signal that an engine was asked to store, and that whoever asked stores by itself where no answer came in
-- time: under one command it is stored once, whichever of them comes first. The second waits for the first to
-- commit, and finds what it remembered.
create table execution_commands (
  tenant_id uuid not null,
  command_id uuid not null,
  execution_id uuid not null,
  -- Null: none was stored, as the execution had ended or is not there.
  signal_id bigint,
  answer text not null,
  until timestamptz not null,
  primary key (tenant_id, command_id)
);
create index execution_commands_by_end on execution_commands (until);
alter table execution_commands enable row level security;
alter table execution_commands force row level security;
create policy tenant on execution_commands to cloudflow_app
  using (tenant_id = (select app_tenant())) with check (tenant_id = (select app_tenant()));
create policy relay on execution_commands to cloudflow_relay using (true);
grant select, insert, update on execution_commands to cloudflow_app;
grant select, delete on execution_commands to cloudflow_relay;

create function signal_execution_once(
  p_tenant uuid, p_command uuid, p_id uuid, p_at timestamptz, p_payload text, p_until timestamptz
) returns text
  language plpgsql
  as $$
declare
  v_answer text;
begin
  perform set_config('app.tenant', p_tenant::text, true);
  insert into execution_commands (tenant_id, command_id, execution_id, answer, until)
  values (p_tenant, p_command, p_id, 'begun', p_until)
  on conflict do nothing;
  if not found then
    return (select c.answer from execution_commands c
            where c.tenant_id = p_tenant and c.command_id = p_command);
  end if;
  v_answer := signal_execution(p_tenant, p_id, p_at, p_payload);
  -- The execution's row is locked, so the newest of its signals is this one.
  update execution_commands c
  set answer = v_answer,
      signal_id = case when v_answer = 'stored' then (
        select max(s.id) from execution_signals s
        where s.tenant_id = p_tenant and s.execution_id = p_id) end
  where c.tenant_id = p_tenant and c.command_id = p_command;
  return v_answer;
end $$;
revoke execute on function signal_execution_once from public;
grant execute on function signal_execution_once to cloudflow_app;
