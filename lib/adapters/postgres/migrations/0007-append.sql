-- Transitions of many executions, of many tenants, in one round trip and one transaction. All are
-- written or none: what is fenced is named in the error's detail, and the caller goes on without it;
-- a sequence number that is taken is the unique key's own error.
--
-- Joins go from the batch to the tables by their keys, whatever the tables' statistics say: a plan
-- made while they were empty must not scan them when they are large.
--
-- `x_*` arrays hold one element per execution; the others name theirs by its place in them.
create function append_transitions(
  x_tenant uuid[], x_id uuid[], x_epoch integer[], x_changes boolean[],
  x_status text[], x_phase text[], x_started float8[], x_ended float8[], x_output text[],
  x_error text[], x_compensation text[], x_parent uuid[], x_signal text[], x_now float8[],
  e_of integer[], e_seq integer[], e_at float8[], e_type text[], e_payload text[],
  s_of integer[], s_step text[], s_status text[], s_class text[], s_reason text[], s_phase text[],
  s_attempts integer[], s_started float8[], s_ended float8[], s_due float8[], s_output text[],
  s_error text[],
  c_of integer[], c_seq integer[], c_state text[],
  g_of integer[], g_id bigint[],
  k_of integer[], k_step text[], k_signal text[],
  o_of integer[], o_topic text[], o_key text[], o_at float8[], o_payload text[]
) returns void
  language plpgsql
  set plan_cache_mode = force_generic_plan
  set enable_seqscan = off
  set enable_hashjoin = off
  set enable_mergejoin = off
  as $$
declare
  v_live integer[];
  v_fenced integer[];
begin
  with changed as (
    update workflow_executions e
    set status = x.status, phase = x.phase,
        started_at = to_timestamp(x.started), ended_at = to_timestamp(x.ended),
        output = x.output, error = x.error, compensation = x.compensation,
        owner = case when x.ended is null then e.owner end,
        wake_at = null
    from unnest(x_tenant, x_id, x_epoch, x_changes, x_status, x_phase, x_started, x_ended, x_output,
                x_error, x_compensation)
         with ordinality x (tenant_id, id, epoch, changes, status, phase, started, ended, output,
                            error, compensation, n)
    where x.changes and e.tenant_id = x.tenant_id and e.id = x.id and e.epoch = x.epoch
    returning x.n
  ), unchanged as (
    select x.n
    from unnest(x_tenant, x_id, x_epoch, x_changes)
         with ordinality x (tenant_id, id, epoch, changes, n)
    join workflow_executions e
      on e.tenant_id = x.tenant_id and e.id = x.id and e.epoch = x.epoch
    where not x.changes
  )
  select array_agg(n) into v_live from (table changed union all table unchanged) l;

  if coalesce(cardinality(v_live), 0) < cardinality(x_id) then
    select array_agg(n) into v_fenced
    from generate_series(1, cardinality(x_id)) n where n <> all (coalesce(v_live, '{}'));
    raise exception 'epoch is not the current one'
      using errcode = 'CF001', detail = array_to_string(v_fenced, ',');
  end if;

  insert into execution_events (tenant_id, execution_id, seq, epoch, at, type, payload)
  select x_tenant[e.n], x_id[e.n], e.seq, x_epoch[e.n], to_timestamp(e.at), e.type, e.payload
  from unnest(e_of, e_seq, e_at, e_type, e_payload) e (n, seq, at, type, payload);

  if cardinality(s_of) > 0 then
    insert into workflow_steps as w
      (tenant_id, execution_id, step, status, class, reason, phase, attempts, started_at, ended_at,
       due_at, output, error)
    select x_tenant[s.n], x_id[s.n], s.step, s.status, s.class, s.reason, s.phase, s.attempts,
           to_timestamp(s.started), to_timestamp(s.ended), to_timestamp(s.due), s.output, s.error
    from unnest(s_of, s_step, s_status, s_class, s_reason, s_phase, s_attempts, s_started, s_ended,
                s_due, s_output, s_error)
         s (n, step, status, class, reason, phase, attempts, started, ended, due, output, error)
    on conflict (tenant_id, execution_id, step) do update
      set status = excluded.status, class = excluded.class, reason = excluded.reason,
          phase = excluded.phase, attempts = excluded.attempts, started_at = excluded.started_at,
          ended_at = excluded.ended_at, due_at = excluded.due_at, output = excluded.output,
          error = excluded.error;
  end if;

  if cardinality(c_of) > 0 then
    insert into execution_checkpoints as k (tenant_id, execution_id, seq, state)
    select x_tenant[c.n], x_id[c.n], c.seq, c.state
    from unnest(c_of, c_seq, c_state) c (n, seq, state)
    on conflict (tenant_id, execution_id) do update set seq = excluded.seq, state = excluded.state;
  end if;

  -- A checkpoint is of no use after the end, and signals that came too late are no longer wanted.
  if x_ended is not null and array_remove(x_ended, null) <> '{}' then
    delete from execution_checkpoints k
    using unnest(x_tenant, x_id, x_ended) x (tenant_id, id, ended)
    where x.ended is not null and k.tenant_id = x.tenant_id and k.execution_id = x.id;
    delete from execution_signals g
    using unnest(x_tenant, x_id, x_ended) x (tenant_id, id, ended)
    where x.ended is not null and g.tenant_id = x.tenant_id and g.execution_id = x.id;
    update approvals a set status = 'closed', answered_at = to_timestamp(x.now)
    from unnest(x_tenant, x_id, x_ended, x_now) x (tenant_id, id, ended, now)
    where x.ended is not null and a.tenant_id = x.tenant_id and a.execution_id = x.id
      and a.status = 'pending';
  end if;

  -- A child's end is a signal to its parent, counted in the parent's row like any other signal.
  if array_remove(x_parent, null) <> '{}' then
    with heard as (
      update workflow_executions e
      set signals = e.signals + x.times,
          -- Only the engine wakes by time: a machine is told by the driver, which looks at signals.
          wake_at = case when e.owner is null and e.runtime = 'engine'
                         then least(coalesce(e.wake_at, to_timestamp(x.now)), to_timestamp(x.now))
                         else e.wake_at end
      from (select x.tenant_id, x.parent_id, max(x.now) as now,
                   count(*)::integer as times
            from unnest(x_tenant, x_parent, x_now) x (tenant_id, parent_id, now)
            where x.parent_id is not null group by x.tenant_id, x.parent_id) x
      where e.tenant_id = x.tenant_id and e.id = x.parent_id
        and e.status in ('PENDING', 'RUNNING')
      returning e.tenant_id, e.id
    )
    insert into execution_signals (tenant_id, execution_id, at, payload)
    select x.tenant_id, x.parent_id, to_timestamp(x.now), x.signal
    from unnest(x_tenant, x_parent, x_signal, x_now) x (tenant_id, parent_id, signal, now)
    join heard h on h.tenant_id = x.tenant_id and h.id = x.parent_id;
  end if;

  -- A child that its step no longer waits for is told so. It is found by parent and step: the log may
  -- not name it yet. One that is just being accepted waits for the step's row, which is written above.
  if cardinality(k_of) > 0 then
    with heard as (
      update workflow_executions e
      set signals = e.signals + 1,
          wake_at = case when e.owner is null and e.runtime = 'engine'
                         then least(coalesce(e.wake_at, to_timestamp(x_now[k.n])),
                                    to_timestamp(x_now[k.n]))
                         else e.wake_at end
      from unnest(k_of, k_step, k_signal) k (n, step, signal)
      where e.tenant_id = x_tenant[k.n] and e.parent_id = x_id[k.n] and e.parent_step = k.step
        and e.status in ('PENDING', 'RUNNING')
      returning e.tenant_id, e.id, k.n, k.signal
    )
    insert into execution_signals (tenant_id, execution_id, at, payload)
    select h.tenant_id, h.id, to_timestamp(x_now[h.n]), h.signal from heard h;
  end if;

  if cardinality(g_of) > 0 then
    delete from execution_signals g
    using unnest(g_of, g_id) d (n, id)
    where g.tenant_id = x_tenant[d.n] and g.execution_id = x_id[d.n] and g.id = d.id;
  end if;

  if cardinality(o_of) > 0 then
    insert into outbox (tenant_id, topic, key, at, payload)
    select x_tenant[o.n], o.topic, o.key, to_timestamp(o.at), o.payload
    from unnest(o_of, o_topic, o_key, o_at, o_payload) o (n, topic, key, at, payload);
  end if;
end $$;
grant execute on function append_transitions to cloudflow_engine, cloudflow_app;
