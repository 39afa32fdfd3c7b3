-- Takes executions that belong to a name which no process has: the row of a process goes when nothing is its
-- own any more, and a claim of its that was on its way still may be written after that. Nobody else would ever
-- find them. Reads all that is active, so one process at a time does it, now and then.
-- The rows of processes that are dead for a minute and have nothing left go first: while there is one, each look of
-- a take-over reads all that is active. What such a process might still claim is nobody's then, and is found here
-- the next time.
create function take_ownerless(p_owner text, p_limit integer)
  returns table (tenant_id uuid, id uuid)
  language plpgsql
  as $$
#variable_conflict use_column
begin
  if not pg_try_advisory_xact_lock(hashtext('cloudflow.ownerless')) then
    return;
  end if;
  delete from engine_processes p
  where p.lease_until < clock_timestamp() - interval '1 minute'
    and not exists (
      select from workflow_executions e where e.outcome is null and e.owner = p.owner);
  return query
  with ownerless as (
    select e.tenant_id, e.id from workflow_executions e
    where e.outcome is null and e.owner is not null
      and e.owner <> 'quarantine' -- set aside on purpose (0150)
      and not exists (select from engine_processes p where p.owner = e.owner)
    limit p_limit
    for update of e skip locked
  )
  update workflow_executions e
  set owner = p_owner, epoch = e.epoch + 1, wake_at = null
  from ownerless o where e.tenant_id = o.tenant_id and e.id = o.id
  returning e.tenant_id, e.id;
end $$;
revoke execute on function take_ownerless from public;
grant execute on function take_ownerless to cloudflow_engine;
