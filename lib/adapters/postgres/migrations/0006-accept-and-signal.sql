-- One round trip each, one transaction each, as the caller's own role: row-level security holds
-- inside. The tenant is set for this transaction only.

-- Many acceptances of one tenant. Answers one row per request, in no particular order; `kind` is
-- null where a rival's row was committed while this ran, and the caller asks again. No id and no key
-- may occur twice in one call. The common case reads nothing: only inserts, whose conflicts are found
-- by index, so that no plan can go wrong while tables grow.
create function accept_executions(
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

  with asked as materialized (
    select * from unnest(
      p_id, p_root, p_parent, p_parent_step, p_retry_of, p_depth, p_workflow, p_version, p_program,
      p_runtime, p_mode, p_labels, p_search, p_correlation, p_input_hash, p_owner, p_event,
      p_message, p_key, p_fingerprint, p_at
    ) with ordinality as a (
      id, root_id, parent_id, parent_step, retry_of, depth, workflow_id, version, program_hash,
      runtime, mode, labels, search, correlation_id, input_hash, owner, event,
      message, key, fingerprint, at, n)
    where a.n <> all (v_late)
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
       program_hash, runtime, mode, status, labels, correlation_id, input_hash, owner, epoch,
       wake_at, created_at)
    select p_tenant, f.id, f.root_id, f.parent_id, f.parent_step, f.retry_of, f.depth,
           f.workflow_id, f.version, f.program_hash, f.runtime, f.mode, 'PENDING', f.labels,
           f.correlation_id, f.input_hash, f.owner, case when f.owner is null then 0 else 1 end,
           case when f.owner is null and f.runtime = 'engine' then f.at end, f.at
    from fresh f
    on conflict (tenant_id, id) do nothing
    returning id
  ), added as materialized (
    select f.* from fresh f where f.id in (select w.id from written w)
  ), logged as (
    insert into execution_events (tenant_id, execution_id, seq, epoch, at, type, payload)
    select p_tenant, f.id, 1, case when f.owner is null then 0 else 1 end, f.at,
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
  )
  select array_agg(w.id) into v_written from written w;

  if coalesce(cardinality(v_written), 0) = cardinality(p_id) then
    return query select a.n, 'accepted'::text, a.id from unnest(p_id) with ordinality a (id, n);
    return;
  end if;

  -- The rest is looked up one by one by key: a plan that was made while the tables were small would
  -- go on scanning them when they are large.
  perform set_config('enable_seqscan', 'off', true);
  return query
  select a.n,
         case
           when a.id = any (v_written) then 'accepted'
           when a.n = any (v_late) then 'parent_ended'
           when r.fingerprint <> a.fingerprint then 'conflict'
           -- A new key with an id that was used before for something else.
           when (r.key is null or r.execution_id = a.id)
                and (e.input_hash <> a.input_hash or e.workflow_id <> a.workflow_id)
             then 'conflict'
           when r.key is not null or e.id is not null then 'existing'
         end,
         case when a.id = any (v_written) or a.n = any (v_late) then a.id else coalesce(r.execution_id, e.id) end
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
grant execute on function accept_executions to cloudflow_app;

-- A signal under the execution's lock. Counting it in the row is what makes a concurrent release
-- see it: the release waits for the lock and then reads the row's newest version.
create function signal_execution(p_tenant uuid, p_id uuid, p_at timestamptz, p_payload text)
  returns text
  language plpgsql
  as $$
declare
  found text;
begin
  perform set_config('app.tenant', p_tenant::text, true);
  update workflow_executions e
  set signals = e.signals + 1,
      wake_at = case when e.owner is null and e.runtime = 'engine'
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
grant execute on function signal_execution to cloudflow_app;
