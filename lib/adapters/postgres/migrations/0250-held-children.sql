-- Limits (0130) and pauses (0100) hold and count what nobody waits for, whoever began it. A child that a step
-- waits for runs in the place of its parent, for two slots of one limit could wait for each other for ever. But
-- nobody waits for a detached child, nor for the retry of a child: those are starts as any other, and went
-- past every limit and every pause before.
--
--  L3 what somebody waits for is neither held nor counted. It has the execution that waits (`parent_id`); or the
--     step alone, where that looks at it instead of being told: a child that undoes something.

comment on column workflow_executions.parent_step is
  'the step that waits for its end; without parent_id it looks for itself and is told nothing';

-- As in 0130, but for whom it holds.
create or replace function accept_starts(
  p_tenant uuid, p_at timestamptz[],
  p_id uuid[], p_root uuid[], p_parent uuid[], p_parent_step text[], p_retry_of uuid[],
  p_depth smallint[], p_workflow text[], p_version text[], p_program text[], p_runtime text[],
  p_mode text[], p_labels jsonb[], p_search text[], p_correlation text[], p_input_hash text[],
  p_owner text[], p_event text[], p_topic text, p_message text[],
  p_key text[], p_fingerprint text[], p_keep interval, p_priority smallint[]
) returns table (n bigint, kind text, execution_id uuid)
  language plpgsql
  set plan_cache_mode = force_generic_plan
  as $$
#variable_conflict use_column
declare
  v_written uuid[];
  v_late bigint[] := '{}';
  v_held bigint[] := '{}';
  v_full bigint[] := '{}';
  v_counted bigint[] := '{}';
begin
  perform set_config('app.tenant', p_tenant::text, true);

  -- A child of a step that has stopped waiting is not started. The lock keeps the step from ending
  -- before the child is there to be told, and lets children of one step pass each other.
  if array_remove(p_parent, null) <> '{}' then
    select array_agg(a.n) into v_late
    from unnest(p_parent, p_parent_step) with ordinality a (parent, step, n)
    left join lateral (
      select true as waits from workflow_steps s
      where s.tenant_id = p_tenant and s.execution_id = a.parent and s.step = a.step
        and s.status = 'EXECUTING'
      offset 0
      for share
    ) s on true
    where a.parent is not null and s.waits is null;
    v_late := coalesce(v_late, '{}');
  end if;

  if exists (select from start_gates g where g.tenant_id = p_tenant) then
    select h.held, h.no_place, h.counted into v_held, v_full, v_counted
    from hold_starts(p_tenant, p_at, p_mode, p_workflow, array(
      select case when w.parent is null and w.step is null then 0 else 1 end::smallint
      from unnest(p_parent, p_parent_step) with ordinality w (parent, step, n) order by w.n)) h;
  end if;

  with asked as materialized (
    select a.*, a.n = any (v_held) as held from unnest(
      p_id, p_root, p_parent, p_parent_step, p_retry_of, p_depth, p_workflow, p_version, p_program,
      p_runtime, p_mode, p_labels, p_search, p_correlation, p_input_hash, p_owner, p_event,
      p_message, p_key, p_fingerprint, p_at, p_priority
    ) with ordinality as a (
      id, root_id, parent_id, parent_step, retry_of, depth, workflow_id, version, program_hash,
      runtime, mode, labels, search, correlation_id, input_hash, owner, event,
      message, key, fingerprint, at, priority, n)
    where a.n <> all (v_late) and a.n <> all (v_full)
  ), keyed as (
    insert into idempotency_records as r
      (tenant_id, key, fingerprint, execution_id, created_at, expires_at)
    select p_tenant, a.key, a.fingerprint, a.id, a.at, a.at + p_keep
    from asked a where a.key is not null
    on conflict (tenant_id, key) do update
      set fingerprint = excluded.fingerprint, execution_id = excluded.execution_id,
          response = null, created_at = excluded.created_at, expires_at = excluded.expires_at
      where r.expires_at <= excluded.created_at
    returning r.key
  ), fresh as materialized (
    select * from asked a
    where a.key is null or a.key in (select k.key from keyed k)
  ), written as materialized (
    insert into workflow_executions
      (tenant_id, id, root_id, parent_id, parent_step, retry_of, depth, workflow_id, version,
       program_hash, runtime, mode, status, phase, labels, correlation_id, input_hash, owner, epoch,
       wake_at, created_at, priority, let_in_at)
    select p_tenant, f.id, f.root_id, f.parent_id, f.parent_step, f.retry_of, f.depth,
           f.workflow_id, f.version, f.program_hash, f.runtime, f.mode, 'PENDING',
           case when f.held then 'queued' end, f.labels,
           f.correlation_id, f.input_hash,
           case when f.held then null else f.owner end,
           case when f.held or f.owner is null then 0 else 1 end,
           case when not f.held and f.owner is null and f.runtime = 'engine'
             then start_turn(f.at, f.priority) end,
           f.at, coalesce(f.priority, 0), case when f.n = any (v_counted) then f.at end
    from fresh f
    on conflict (tenant_id, id) do nothing
    returning id
  ), added as materialized (
    select f.* from fresh f where f.id in (select w.id from written w)
  ), logged as (
    insert into execution_events (tenant_id, execution_id, seq, epoch, at, type, payload)
    select p_tenant, f.id, 1, case when f.held or f.owner is null then 0 else 1 end, f.at,
           'execution_created', f.event
    from added f
  ), found as (
    insert into execution_search (tenant_id, execution_id, labels, document)
    select p_tenant, f.id, f.labels, to_tsvector('simple', f.search)
    from added f where f.search is not null
  ), published as (
    insert into outbox (tenant_id, topic, key, at, payload)
    select p_tenant, p_topic, f.id::text, f.at, f.message
    from added f
  ), lined_up as (
    insert into waiting_starts (tenant_id, execution_id, mode, workflow_id, turn)
    select p_tenant, f.id, f.mode, f.workflow_id, start_turn(f.at, f.priority)
    from added f where f.held
  )
  select array_agg(w.id) into v_written from written w;

  if coalesce(cardinality(v_written), 0) = cardinality(p_id) then
    return query
    select a.n, case when a.n = any (v_held) then 'queued' else 'accepted' end, a.id
    from unnest(p_id) with ordinality a (id, n);
    return;
  end if;

  -- The rest is looked up one by one by key: a plan that was made while the tables were small would
  -- go on scanning them when they are large.
  perform set_config('enable_seqscan', 'off', true);
  return query
  select a.n,
         case
           when a.id = any (v_written) and a.n = any (v_held) then 'queued'
           when a.id = any (v_written) then 'accepted'
           when a.n = any (v_late) then 'parent_ended'
           when r.fingerprint <> a.fingerprint then 'conflict'
           -- A new key with an id that was used before for something else.
           when (r.key is null or r.execution_id = a.id)
                and (e.input_hash <> a.input_hash or e.workflow_id <> a.workflow_id)
             then 'conflict'
           when r.key is not null or e.id is not null then 'existing'
           when a.n = any (v_full) then 'full'
         end,
         case when a.id = any (v_written) or a.n = any (v_late) then a.id
              else coalesce(r.execution_id, e.id, a.id) end
  from unnest(p_id, p_key, p_fingerprint, p_input_hash, p_workflow, p_at)
       with ordinality a (id, key, fingerprint, input_hash, workflow_id, at, n)
  left join lateral (
    select r.key, r.fingerprint, r.execution_id from idempotency_records r
    where r.tenant_id = p_tenant and r.key = a.key and r.expires_at > a.at
    offset 0
  ) r on true
  left join lateral (
    select e.id, e.input_hash, e.workflow_id from workflow_executions e
    where e.tenant_id = p_tenant and e.id = a.id
    offset 0
  ) e on true;
end $$;

-- As in 0130, but for whom it counts.
create or replace function count_started(p_tenant uuid, p_mode text, p_now timestamptz) returns void
  language plpgsql
  set enable_seqscan = off
  as $$
declare
  g start_gates;
  v_seen integer;
  v_last uuid;
  v_all boolean;
begin
  for g in
    select * from start_gates s
    where s.tenant_id = p_tenant and s.mode = p_mode and s.limited and s.uncounted_since is not null
      and (pg_snapshot_xmin(pg_current_snapshot()) > s.uncounted_since
           or p_now > s.uncounted_at + interval '1 minute')
    order by s.workflow_id
  loop
    with seen as materialized (
      select e.id, e.workflow_id, e.mode, e.parent_id, e.parent_step, e.phase, e.let_in_at
      from workflow_executions e
      where e.tenant_id = p_tenant and e.outcome is null
        and e.id > coalesce(g.counted_to, '00000000-0000-0000-0000-000000000000')
      order by e.id limit 5000
    ), meant as materialized (
      select s.id from seen s
      where s.mode = p_mode and s.parent_id is null and s.parent_step is null
        and s.let_in_at is null
        and s.phase is distinct from 'queued'
        and (g.workflow_id = '*' or s.workflow_id = g.workflow_id)
    ), free as materialized (
      select e.id from meant m
      cross join lateral (
        select e.id from workflow_executions e
        where e.tenant_id = p_tenant and e.id = m.id
        for no key update skip locked
      ) e
    ), counted as (
      update workflow_executions e set let_in_at = coalesce(e.started_at, e.created_at)
      from free f where e.tenant_id = p_tenant and e.id = f.id
      returning e.id
    )
    select (select count(*) from seen), (select s.id from seen s order by s.id desc limit 1),
           (select count(*) from meant) = (select count(*) from counted)
    into v_seen, v_last, v_all;
    -- What somebody is just writing is looked at again.
    continue when not v_all;
    update start_gates s
    set counted_to = case when v_seen = 5000 then v_last end,
        uncounted_since = case when v_seen = 5000 then s.uncounted_since end,
        uncounted_at = case when v_seen = 5000 then s.uncounted_at end
    where s.tenant_id = g.tenant_id and s.mode = g.mode and s.workflow_id = g.workflow_id;
  end loop;
end $$;
