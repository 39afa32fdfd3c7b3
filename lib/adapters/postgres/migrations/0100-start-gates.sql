-- Starts that wait: an execution that is accepted while its workflow may not begin any. It is a row as
-- any other, whose phase says `queued`; nobody owns it and no time wakes it, so no engine and no driver
-- finds it until it is let in. A child is never held: whoever started it runs, and may be waiting for it.

-- One row for each workflow that was ever held back. A tenant without one pays one look for all of this.
create table start_gates (
  tenant_id uuid not null references tenants,
  mode text not null check (mode in ('live', 'test')),
  workflow_id text not null,
  paused_at timestamptz,
  paused_by text,
  pause_reason text,
  -- Starts beyond these are refused.
  max_waiting integer not null default 10000 check (max_waiting > 0),
  primary key (tenant_id, mode, workflow_id)
);

-- The queue. Whoever lets an execution in takes its line away, then changes its row: in this order,
-- as a signal does too.
create table waiting_starts (
  tenant_id uuid not null,
  execution_id uuid not null,
  mode text not null,
  workflow_id text not null,
  -- When it was accepted: the oldest goes first.
  turn timestamptz not null,
  primary key (tenant_id, execution_id)
);
create index waiting_starts_turns on waiting_starts (tenant_id, mode, workflow_id, turn, execution_id);

do $$
declare
  name text;
begin
  foreach name in array array['start_gates', 'waiting_starts'] loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format(
      'create policy tenant on %I to cloudflow_app
         using (tenant_id = (select app_tenant())) with check (tenant_id = (select app_tenant()))',
      name);
    execute format(
      'create policy engine on %I to cloudflow_engine using (true) with check (true)', name);
  end loop;
end $$;
grant select, insert, update on start_gates to cloudflow_app;
grant select, insert, delete on waiting_starts to cloudflow_app;
grant select on start_gates to cloudflow_engine;
grant select, delete on waiting_starts to cloudflow_engine;

-- As in 0006, and some wait: `queued` is an acceptance too, `full` is none.
create or replace function accept_executions(
  p_tenant uuid, p_at timestamptz[],
  p_id uuid[], p_root uuid[], p_parent uuid[], p_parent_step text[], p_retry_of uuid[],
  p_depth smallint[], p_workflow text[], p_version text[], p_program text[], p_runtime text[],
  p_mode text[], p_labels jsonb[], p_search text[], p_correlation text[], p_input_hash text[],
  p_owner text[], p_event text[], p_topic text, p_message text[],
  p_key text[], p_fingerprint text[], p_keep interval
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
    select coalesce(array_agg(h.n) filter (where h.place <= h.max_waiting), '{}'),
           coalesce(array_agg(h.n) filter (where h.place > h.max_waiting), '{}')
    into v_held, v_full
    from (
      select a.n, g.max_waiting,
             w.waiting + row_number() over (partition by a.mode, a.workflow order by a.n) as place
      from unnest(p_mode, p_workflow, p_depth) with ordinality a (mode, workflow, depth, n)
      cross join lateral (
        select g.paused_at, g.max_waiting from start_gates g
        where g.tenant_id = p_tenant and g.mode = a.mode and g.workflow_id = a.workflow
        offset 0
      ) g
      cross join lateral (
        select count(*) as waiting from (
          select from waiting_starts w
          where w.tenant_id = p_tenant and w.mode = a.mode and w.workflow_id = a.workflow
          limit g.max_waiting
        ) w
      ) w
      -- Those which wait already go first, also once the gate is open again.
      where a.depth = 0 and (g.paused_at is not null or w.waiting > 0)
    ) h;
  end if;

  with asked as materialized (
    select a.*, a.n = any (v_held) as held from unnest(
      p_id, p_root, p_parent, p_parent_step, p_retry_of, p_depth, p_workflow, p_version, p_program,
      p_runtime, p_mode, p_labels, p_search, p_correlation, p_input_hash, p_owner, p_event,
      p_message, p_key, p_fingerprint, p_at
    ) with ordinality as a (
      id, root_id, parent_id, parent_step, retry_of, depth, workflow_id, version, program_hash,
      runtime, mode, labels, search, correlation_id, input_hash, owner, event,
      message, key, fingerprint, at, n)
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
       wake_at, created_at)
    select p_tenant, f.id, f.root_id, f.parent_id, f.parent_step, f.retry_of, f.depth,
           f.workflow_id, f.version, f.program_hash, f.runtime, f.mode, 'PENDING',
           case when f.held then 'queued' end, f.labels,
           f.correlation_id, f.input_hash,
           case when f.held then null else f.owner end,
           case when f.held or f.owner is null then 0 else 1 end,
           case when not f.held and f.owner is null and f.runtime = 'engine' then f.at end, f.at
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
    select p_tenant, f.id, f.mode, f.workflow_id, f.at
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

-- As in 0006, and one that waits to begin waits no longer: what it was told is heard at once. The API
-- tells such a one nothing but to be cancelled.
create or replace function signal_execution(p_tenant uuid, p_id uuid, p_at timestamptz, p_payload text)
  returns text
  language plpgsql
  as $$
declare
  found text;
begin
  perform set_config('app.tenant', p_tenant::text, true);
  delete from waiting_starts w where w.tenant_id = p_tenant and w.execution_id = p_id;
  update workflow_executions e
  set signals = e.signals + 1,
      phase = case when e.phase = 'queued' then null else e.phase end,
      -- One that waits on Step Functions has no machine yet: the engine ends it.
      wake_at = case when e.owner is null and (e.runtime = 'engine' or e.phase = 'queued')
                     then least(coalesce(e.wake_at, p_at), p_at) else e.wake_at end
  where e.tenant_id = p_tenant and e.id = p_id and e.status in ('PENDING', 'RUNNING')
  returning e.status into found;
  if found is null then
    select e.status into found from workflow_executions e
    where e.tenant_id = p_tenant and e.id = p_id;
    return coalesce(found, 'not_found');
  end if;
  insert into execution_signals (tenant_id, execution_id, at, payload)
  values (p_tenant, p_id, p_at, p_payload);
  return 'stored';
end $$;

-- As in 0008, but for those which wait to be let in.
create or replace function claim_named(p_owner text, p_tenant uuid[], p_id uuid[])
  returns table (tenant_id uuid, id uuid)
  language sql
  set enable_seqscan = off
  set enable_hashjoin = off
  set enable_mergejoin = off
  as $$
    with wanted as (
      select e.tenant_id, e.id
      from unnest(p_tenant, p_id) w (tenant_id, id)
      join workflow_executions e on e.tenant_id = w.tenant_id and e.id = w.id
      where e.owner is null and e.runtime = 'engine' and e.status in ('PENDING', 'RUNNING')
        and e.phase is distinct from 'queued'
      for update of e skip locked
    )
    update workflow_executions e
    set owner = p_owner, epoch = e.epoch + 1, wake_at = null
    from wanted where e.tenant_id = wanted.tenant_id and e.id = wanted.id
    returning e.tenant_id, e.id
  $$;

-- Lets executions of one tenant and mode in, the oldest first. One process at a time: the lock ends
-- with the statement, so a process that stops holds nobody up.
create function let_in_starts(p_tenant uuid, p_mode text, p_limit integer, p_now timestamptz)
  returns integer
  language plpgsql
  as $$
declare
  v_let_in integer;
begin
  if not pg_try_advisory_xact_lock(hashtextextended(p_tenant::text || p_mode, 100)) then
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
  ), open as (
    select w.workflow_id from waiting w
    where not exists (
      select from start_gates g
      where g.tenant_id = p_tenant and g.mode = p_mode and g.workflow_id = w.workflow_id
        and g.paused_at is not null)
  ), next as materialized (
    select c.execution_id from open o cross join lateral (
      select w.execution_id, w.turn from waiting_starts w
      where w.tenant_id = p_tenant and w.mode = p_mode and w.workflow_id = o.workflow_id
      order by w.turn, w.execution_id limit p_limit) c
    order by c.turn, c.execution_id limit p_limit
  ), taken as materialized (
    delete from waiting_starts w using next n
    where w.tenant_id = p_tenant and w.execution_id = n.execution_id
    returning w.execution_id
  ), let_in as (
    update workflow_executions e
    set phase = null, wake_at = case when e.runtime = 'engine' then p_now end
    from taken t
    where e.tenant_id = p_tenant and e.id = t.execution_id and e.status = 'PENDING'
      and e.phase = 'queued'
    returning 1
  )
  select count(*) into v_let_in from let_in;
  return v_let_in;
end $$;

-- The same for the tenants that have any waiting, `p_tenants` of them from the one after `p_after` on.
create function let_in(p_after uuid, p_tenants integer, p_limit integer, p_now timestamptz)
  returns table (tenant_id uuid, let_in integer)
  language sql
  as $$
    with recursive waiting as (
      (select w.tenant_id, w.mode from waiting_starts w
       where p_after is null or w.tenant_id > p_after
       order by w.tenant_id, w.mode limit 1)
      union all
      select n.tenant_id, n.mode from waiting p cross join lateral (
        select w.tenant_id, w.mode from waiting_starts w
        where (w.tenant_id, w.mode) > (p.tenant_id, p.mode)
        order by w.tenant_id, w.mode limit 1) n
    ), next as materialized (select * from waiting limit p_tenants)
    select s.tenant_id, let_in_starts(s.tenant_id, s.mode, p_limit, p_now) from next s
  $$;
revoke execute on function let_in_starts, let_in from public;
grant execute on function let_in_starts, let_in to cloudflow_engine;

-- As `find_workflow` of 0021, with what holds its starts.
create function show_workflow(p_tenant uuid, p_mode text, p_workflow text)
  returns table (version text, description text, runtime text, step_count integer,
                 version_count integer, revision integer, created_at timestamptz,
                 updated_at timestamptz, paused_at timestamptz, paused_by text, pause_reason text)
  language plpgsql
  as $$
begin
  perform set_config('app.tenant', p_tenant::text, true);
  return query
    select w.version, w.description, w.runtime, w.step_count, w.version_count, w.revision,
           w.created_at, w.updated_at, g.paused_at, g.paused_by, g.pause_reason
    from workflows w
    left join start_gates g
      on g.tenant_id = w.tenant_id and g.mode = w.mode and g.workflow_id = w.workflow_id
    where w.tenant_id = p_tenant and w.mode = p_mode and w.workflow_id = p_workflow
      and w.deleted_at is null;
end $$;
revoke execute on function show_workflow from public;
grant execute on function show_workflow to cloudflow_app;
