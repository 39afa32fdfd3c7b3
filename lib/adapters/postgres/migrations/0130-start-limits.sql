-- How many executions of a workflow, or of a whole tenant, may run at once, and how many may begin within
-- a time. A gate says it; what is beyond waits as what a pause holds does (0100).
--
-- A slot is no row of its own that somebody would have to give back: an execution that went through a gate
-- says when (`let_in_at`), and takes a slot for as long as it has not ended. However it ends, and whoever
-- died meanwhile, it has a slot no more.
--
--  L1 who lets in holds the rows of the gates until it commits, and counts after it has them: no two count
--     the same room;
--  L2 what was accepted before a gate was first limited is counted before anything is let in through it;
--  L3 children are neither held nor counted: they run in the place of whoever started them.

alter table start_gates
  -- What the definition of the highest version says.
  add column declared_concurrency integer,
  add column declared_starts integer,
  add column declared_per interval,
  add column declared_waiting integer,
  -- What operators say; the stricter of the two holds. `max_waiting` is theirs too.
  add column concurrency integer,
  add column starts integer,
  add column per interval,
  add column set_at timestamptz,
  add column set_by text,
  -- Grows with what operators set.
  add column set_revision integer not null default 0,
  add column limited boolean generated always as
    (coalesce(declared_concurrency, declared_starts, concurrency, starts) is not null) stored,
  -- Not null: some that run are not counted yet (L2), those up to `counted_to` are.
  add column uncounted_since xid8,
  add column uncounted_at timestamptz,
  add column counted_to uuid;
comment on column start_gates.workflow_id is '* for all workflows of the tenant together';
grant update on start_gates to cloudflow_engine;

alter table workflow_executions
  add column priority smallint not null default 0,
  -- When it went through a gate that is limited; null: there was none, or it waits.
  add column let_in_at timestamptz;

-- Only those which a gate has let in are in these: nobody else pays for them.
create index workflow_executions_let_in on workflow_executions (tenant_id, mode, workflow_id)
  where let_in_at is not null and outcome is null;
create index workflow_executions_let_in_at on workflow_executions (tenant_id, mode, let_in_at)
  where let_in_at is not null;
create index workflow_executions_workflow_let_in_at
  on workflow_executions (tenant_id, mode, workflow_id, let_in_at) where let_in_at is not null;

-- Whose turn is first. A step of priority is worth five minutes of waiting, so whatever comes later passes
-- one that waits for that long at most: it ages by standing still.
create function start_turn(p_at timestamptz, p_priority smallint) returns timestamptz
  language sql immutable parallel safe
  as $$ select p_at - coalesce(p_priority, 0) * 300 * interval '1 second' $$;

-- Executions that take a slot, and starts since then; `p_workflow` '*': of all. At most `p_limit`.
create function starts_running(p_tenant uuid, p_mode text, p_workflow text, p_limit integer)
  returns integer
  language plpgsql stable
  set enable_seqscan = off
  as $$
begin
  if p_workflow = '*' then
    return (select count(*) from (
      select from workflow_executions e
      where e.tenant_id = p_tenant and e.mode = p_mode
        and e.let_in_at is not null and e.outcome is null
      limit p_limit) r);
  end if;
  return (select count(*) from (
    select from workflow_executions e
    where e.tenant_id = p_tenant and e.mode = p_mode and e.workflow_id = p_workflow
      and e.let_in_at is not null and e.outcome is null
    limit p_limit) r);
end $$;

create function starts_since(
  p_tenant uuid, p_mode text, p_workflow text, p_since timestamptz, p_limit integer
) returns integer
  language plpgsql stable
  set enable_seqscan = off
  as $$
begin
  if p_workflow = '*' then
    return (select count(*) from (
      select from workflow_executions e
      where e.tenant_id = p_tenant and e.mode = p_mode and e.let_in_at > p_since
      limit p_limit) s);
  end if;
  return (select count(*) from (
    select from workflow_executions e
    where e.tenant_id = p_tenant and e.mode = p_mode and e.workflow_id = p_workflow
      and e.let_in_at > p_since
    limit p_limit) s);
end $$;

-- How many may go through a gate now; null: as many as come. Within any span of `per` that ends at a
-- start, no more than `starts` have begun, so clocks of several machines need not agree to hold that.
create function start_room(g start_gates, p_now timestamptz) returns integer
  language plpgsql stable
  as $$
declare
  v_most integer := least(g.declared_concurrency, g.concurrency);
  v_room integer;
begin
  if g.paused_at is not null then
    return 0;
  end if;
  if not g.limited then
    return null;
  end if;
  if g.uncounted_since is not null then
    return 0;
  end if;
  if v_most is not null then
    v_room := v_most - starts_running(g.tenant_id, g.mode, g.workflow_id, v_most);
  end if;
  if g.declared_starts is not null and v_room is distinct from 0 then
    v_room := least(v_room, g.declared_starts - starts_since(
      g.tenant_id, g.mode, g.workflow_id, p_now - g.declared_per, g.declared_starts));
  end if;
  if g.starts is not null and v_room is distinct from 0 then
    v_room := least(v_room, g.starts - starts_since(
      g.tenant_id, g.mode, g.workflow_id, p_now - g.per, g.starts));
  end if;
  return v_room;
end $$;

-- Of starts that come together (by their places): which wait, which find no place to wait in, and which
-- go through a gate that counts them. Holds the gates that it counted through.
create function hold_starts(
  p_tenant uuid, p_at timestamptz[], p_mode text[], p_workflow text[], p_depth smallint[],
  out held bigint[], out no_place bigint[], out counted bigint[]
)
  language plpgsql
  set enable_seqscan = off
  as $$
declare
  v_now timestamptz := (select min(a) from unnest(p_at) a);
begin
  perform from start_gates g
  where g.tenant_id = p_tenant and g.limited and g.mode = any (p_mode)
    and (g.workflow_id = any (p_workflow) or g.workflow_id = '*')
  order by g.mode, g.workflow_id
  for update;

  with gates as materialized (
    select g.mode, g.workflow_id, g.limited, start_room(g, v_now) as room,
           least(g.max_waiting, g.declared_waiting) as places,
           case when g.workflow_id = '*'
             then (select count(*) from (
               select from waiting_starts w
               where w.tenant_id = p_tenant and w.mode = g.mode limit g.max_waiting) w)
             else (select count(*) from (
               select from waiting_starts w
               where w.tenant_id = p_tenant and w.mode = g.mode and w.workflow_id = g.workflow_id
               limit g.max_waiting) w)
           end as waiting
    from start_gates g
    where g.tenant_id = p_tenant and g.mode = any (p_mode)
      and (g.workflow_id = any (p_workflow) or (g.workflow_id = '*' and g.limited))
  ), asked as (
    select a.n, a.mode, a.workflow, g.room, g.places, g.waiting,
           t.room as all_room, t.places as all_places, t.waiting as all_waiting,
           coalesce(g.limited, false) or t.mode is not null as counted,
           -- Those which wait already go first, also once there is room again.
           coalesce(g.waiting, 0) = 0 and coalesce(t.waiting, 0) = 0
             and (g.room is null or row_number() over (
                   partition by a.mode, a.workflow order by a.n) <= g.room) as may
    from unnest(p_mode, p_workflow, p_depth) with ordinality a (mode, workflow, depth, n)
    left join gates g on g.mode = a.mode and g.workflow_id = a.workflow
    left join gates t on t.mode = a.mode and t.workflow_id = '*'
    where a.depth = 0 and (g.mode is not null or t.mode is not null)
  ), chosen as (
    select a.*, a.may and (a.all_room is null or count(*) filter (where a.may) over (
                  partition by a.mode order by a.n) <= a.all_room) as goes
    from asked a
  ), placed as (
    select c.*,
           c.waiting + count(*) filter (where not c.goes) over (
             partition by c.mode, c.workflow order by c.n) as place,
           c.all_waiting + count(*) filter (where not c.goes) over (
             partition by c.mode order by c.n) as all_place
    from chosen c
  )
  select coalesce(array_agg(p.n) filter (where not p.goes and not (p.place > p.places is true
                                                or p.all_place > p.all_places is true)), '{}'),
         coalesce(array_agg(p.n) filter (where not p.goes and (p.place > p.places is true
                                                or p.all_place > p.all_places is true)), '{}'),
         coalesce(array_agg(p.n) filter (where p.goes and p.counted), '{}')
  into held, no_place, counted
  from placed p;
end $$;

-- As `accept_executions` of 0100, with limits and priorities.
create function accept_starts(
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
    from hold_starts(p_tenant, p_at, p_mode, p_workflow, p_depth) h;
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

-- What programs of the version before call: their starts are counted and held too.
create or replace function accept_executions(
  p_tenant uuid, p_at timestamptz[],
  p_id uuid[], p_root uuid[], p_parent uuid[], p_parent_step text[], p_retry_of uuid[],
  p_depth smallint[], p_workflow text[], p_version text[], p_program text[], p_runtime text[],
  p_mode text[], p_labels jsonb[], p_search text[], p_correlation text[], p_input_hash text[],
  p_owner text[], p_event text[], p_topic text, p_message text[],
  p_key text[], p_fingerprint text[], p_keep interval
) returns table (n bigint, kind text, execution_id uuid)
  language plpgsql
  as $$
begin
  return query select * from accept_starts(
    p_tenant, p_at, p_id, p_root, p_parent, p_parent_step, p_retry_of, p_depth, p_workflow,
    p_version, p_program, p_runtime, p_mode, p_labels, p_search, p_correlation, p_input_hash,
    p_owner, p_event, p_topic, p_message, p_key, p_fingerprint, p_keep, '{}'::smallint[]);
end $$;

-- Counts what began before its gate was limited (L2), some thousands at a time. It begins once every
-- transaction that did not see the gate has ended; where one never does, or a restored database counts its
-- transactions anew, a minute is enough. The caller holds the gates.
create function count_started(p_tenant uuid, p_mode text, p_now timestamptz) returns void
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
      select e.id, e.workflow_id, e.mode, e.depth, e.phase, e.let_in_at from workflow_executions e
      where e.tenant_id = p_tenant and e.outcome is null
        and e.id > coalesce(g.counted_to, '00000000-0000-0000-0000-000000000000')
      order by e.id limit 5000
    ), meant as materialized (
      select s.id from seen s
      where s.mode = p_mode and s.depth = 0 and s.let_in_at is null
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

-- As in 0100, no more than there is room for, and in the order of turns.
create or replace function let_in_starts(p_tenant uuid, p_mode text, p_limit integer, p_now timestamptz)
  returns integer
  language plpgsql
  set enable_seqscan = off
  as $$
declare
  v_let_in integer;
  v_room integer;
  v_counted boolean;
begin
  if not pg_try_advisory_xact_lock(hashtextextended(p_tenant::text || p_mode, 100)) then
    return 0;
  end if;
  perform from start_gates g
  where g.tenant_id = p_tenant and g.mode = p_mode and g.limited
  order by g.workflow_id
  for update;
  perform count_started(p_tenant, p_mode, p_now);
  select start_room(g, p_now) into v_room from start_gates g
  where g.tenant_id = p_tenant and g.mode = p_mode and g.workflow_id = '*' and g.limited;
  v_counted := found;
  if v_room = 0 then
    return 0;
  end if;
  with recursive waiting as (
    (select w.workflow_id from waiting_starts w
     where w.tenant_id = p_tenant and w.mode = p_mode
     order by w.workflow_id limit 1)
    union all
    select n.workflow_id from waiting p cross join lateral (
      select w.workflow_id from waiting_starts w
      where w.tenant_id = p_tenant and w.mode = p_mode and w.workflow_id > p.workflow_id
      order by w.workflow_id limit 1) n
  ), open as materialized (
    select w.workflow_id, g.room, coalesce(g.limited, false) as counted
    from waiting w
    left join lateral (
      select start_room(g, p_now) as room, g.limited from start_gates g
      where g.tenant_id = p_tenant and g.mode = p_mode and g.workflow_id = w.workflow_id
      offset 0
    ) g on true
  ), next as materialized (
    select c.execution_id, o.counted from open o cross join lateral (
      select w.execution_id, w.turn from waiting_starts w
      where w.tenant_id = p_tenant and w.mode = p_mode and w.workflow_id = o.workflow_id
      order by w.turn, w.execution_id limit least(p_limit, o.room)) c
    order by c.turn, c.execution_id limit least(p_limit, v_room)
  ), taken as materialized (
    delete from waiting_starts w using next n
    where w.tenant_id = p_tenant and w.execution_id = n.execution_id
    returning w.execution_id, n.counted
  ), let_in as (
    update workflow_executions e
    set phase = null,
        let_in_at = case when t.counted or v_counted then p_now end,
        wake_at = case when e.runtime = 'engine' then start_turn(p_now, e.priority) end
    from taken t
    where e.tenant_id = p_tenant and e.id = t.execution_id and e.status = 'PENDING'
      and e.phase = 'queued'
    returning 1
  )
  select count(*) into v_let_in from let_in;
  return v_let_in;
end $$;

-- When the rates of a gate let the next begin; null: they do now.
create function next_start_at(g start_gates, p_now timestamptz) returns timestamptz
  language plpgsql stable
  set enable_seqscan = off
  as $$
declare
  v_rate record;
  v_full_until timestamptz;
  v_next timestamptz;
begin
  for v_rate in
    select r.starts, r.per
    from (values (g.declared_starts, g.declared_per), (g.starts, g.per)) r (starts, per)
    where r.starts is not null
  loop
    if g.workflow_id = '*' then
      select e.let_in_at + v_rate.per into v_full_until from workflow_executions e
      where e.tenant_id = g.tenant_id and e.mode = g.mode and e.let_in_at > p_now - v_rate.per
      order by e.let_in_at desc offset v_rate.starts - 1 limit 1;
    else
      select e.let_in_at + v_rate.per into v_full_until from workflow_executions e
      where e.tenant_id = g.tenant_id and e.mode = g.mode and e.workflow_id = g.workflow_id
        and e.let_in_at > p_now - v_rate.per
      order by e.let_in_at desc offset v_rate.starts - 1 limit 1;
    end if;
    v_next := greatest(v_next, v_full_until);
  end loop;
  return v_next;
end $$;

revoke execute on function next_start_at, start_turn, starts_running, starts_since, start_room, hold_starts,
  accept_starts, count_started from public;
grant execute on function next_start_at, start_turn, starts_running, starts_since, start_room,
  hold_starts, accept_starts to cloudflow_app;
grant execute on function start_turn, starts_running, starts_since, start_room, count_started
  to cloudflow_engine;
