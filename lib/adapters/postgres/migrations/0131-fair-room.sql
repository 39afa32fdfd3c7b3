-- As `claim_in_turn` of 0102, and no tenant is given more than its share of the room of who asks: `p_share`,
-- or for those that have something there already, what is left of theirs.
create function claim_by_share(
  p_owner text, p_limit integer, p_now timestamptz, p_from uuid,
  p_share integer, p_tenant uuid[], p_left integer[]
) returns table (tenant_id uuid, id uuid)
  language plpgsql
  set enable_seqscan = off
  as $$
#variable_conflict use_column
begin
  -- Where no share is used up by one look, there is none to mind.
  if p_share >= p_limit and not exists (select from unnest(p_left) l where l < p_limit) then
    return query select c.tenant_id, c.id from claim_in_turn(p_owner, p_limit, p_now, p_from) c;
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
  ), shares as materialized (
    select w.tenant_id, w.place, least(p_limit, coalesce(s.left_over, p_share)) as share
    from walk w
    left join (
      select s.tenant_id, s.left_over from unnest(p_tenant, p_left) s (tenant_id, left_over)
    ) s on s.tenant_id = w.tenant_id
  ), due as materialized (
    select d.tenant_id, d.id
    from shares s cross join lateral (
      select e.tenant_id, e.id, row_number() over (order by e.wake_at, e.id) as turn
      from (
        select e.tenant_id, e.id, e.wake_at from workflow_executions e
        where e.tenant_id = s.tenant_id and e.owner is null and e.wake_at <= p_now
        order by e.wake_at limit s.share
      ) e
    ) d
    where s.share > 0
    order by d.turn, s.place limit p_limit
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

-- As `take_over` of 0008, but for executions of tenants that have their share here: others take them, or
-- this process once some of theirs have ended.
create function take_over_but(p_owner text, p_limit integer, p_full uuid[])
  returns table (tenant_id uuid, id uuid)
  language sql
  set enable_hashjoin = off
  set enable_mergejoin = off
  as $$
    with stale as materialized (
      select p.owner from engine_processes p
      where p.lease_until < clock_timestamp() and p.owner <> p_owner
    ), orphaned as (
      select e.tenant_id, e.id from workflow_executions e
      where e.outcome is null and exists (select from stale)
        and e.owner = any (array(select s.owner from stale s))
        and e.tenant_id <> all (p_full)
      limit p_limit
      for update of e skip locked
    )
    update workflow_executions e
    set owner = p_owner, epoch = e.epoch + 1, wake_at = null
    from orphaned where e.tenant_id = orphaned.tenant_id and e.id = orphaned.id
    returning e.tenant_id, e.id
  $$;
revoke execute on function claim_by_share, take_over_but from public;
grant execute on function claim_by_share, take_over_but to cloudflow_engine;
