-- Whose turn it is when more is due than one look takes: every tenant's oldest, then every tenant's second
-- oldest, and so on. So what one tenant has piled up delays another by no more than the others' first ones.
create index workflow_executions_due_by_tenant on workflow_executions (tenant_id, wake_at)
  where owner is null and wake_at is not null;

-- As in 0008. The walk goes from tenant to tenant that has something parked, from `p_from` on and around,
-- at most a thousand of them: whoever asks varies where it begins, so that none is always beyond.
create function claim_in_turn(p_owner text, p_limit integer, p_now timestamptz, p_from uuid)
  returns table (tenant_id uuid, id uuid)
  language plpgsql
  set enable_seqscan = off
  as $$
#variable_conflict use_column
begin
  -- Where one look takes all that is due, there is no turn to wait for.
  if (select count(*) from (
        select from workflow_executions e
        where e.owner is null and e.wake_at <= p_now limit p_limit + 1) due) <= p_limit then
    return query select c.tenant_id, c.id from claim_due(p_owner, p_limit, p_now) c;
    return;
  end if;
  return query
  with recursive onward as (
    (select e.tenant_id, 1 as place from workflow_executions e
     where e.owner is null and e.wake_at is not null and e.tenant_id >= p_from
     order by e.tenant_id limit 1)
    union all
    select n.tenant_id, w.place + 1 from onward w cross join lateral (
      select e.tenant_id from workflow_executions e
      where e.owner is null and e.wake_at is not null and e.tenant_id > w.tenant_id
      order by e.tenant_id limit 1) n
    where w.place < 1000
  ), around as (
    (select e.tenant_id, 1001 as place from workflow_executions e
     where e.owner is null and e.wake_at is not null and e.tenant_id < p_from
     order by e.tenant_id limit 1)
    union all
    select n.tenant_id, w.place + 1 from around w cross join lateral (
      select e.tenant_id from workflow_executions e
      where e.owner is null and e.wake_at is not null
        and e.tenant_id > w.tenant_id and e.tenant_id < p_from
      order by e.tenant_id limit 1) n
    where w.place < 2000
  ), walk as materialized (
    select * from onward union all select * from around order by place limit 1000
  ), due as materialized (
    select d.tenant_id, d.id
    from walk w cross join lateral (
      select e.tenant_id, e.id, row_number() over (order by e.wake_at, e.id) as turn
      from (
        select e.tenant_id, e.id, e.wake_at from workflow_executions e
        where e.tenant_id = w.tenant_id and e.owner is null and e.wake_at <= p_now
        order by e.wake_at limit p_limit
      ) e
    ) d
    order by d.turn, w.place limit p_limit
  ), locked as materialized (
    select e.tenant_id, e.id from due d
    join workflow_executions e on e.tenant_id = d.tenant_id and e.id = d.id
    where e.owner is null and e.wake_at <= p_now
    for update of e skip locked
  )
  update workflow_executions e
  set owner = p_owner, epoch = e.epoch + 1, wake_at = null
  from locked l where e.tenant_id = l.tenant_id and e.id = l.id
  returning e.tenant_id, e.id;
end $$;
revoke execute on function claim_in_turn from public;
grant execute on function claim_in_turn to cloudflow_engine;
