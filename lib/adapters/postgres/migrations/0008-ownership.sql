-- Who runs an execution. Taking one bumps its epoch, which fences whoever had it before.

-- Takes what is due and owned by nobody. A row that somebody else is just taking is passed over.
create function claim_due(p_owner text, p_limit integer, p_now timestamptz)
  returns table (tenant_id uuid, id uuid)
  language sql
  as $$
    with due as (
      select e.tenant_id, e.id from workflow_executions e
      where e.owner is null and e.wake_at <= p_now
      order by e.wake_at limit p_limit
      for update skip locked
    )
    update workflow_executions e
    set owner = p_owner, epoch = e.epoch + 1, wake_at = null
    from due where e.tenant_id = due.tenant_id and e.id = due.id
    returning e.tenant_id, e.id
  $$;

-- Takes these, if nobody owns them and they have not ended: someone heard of something to do.
create function claim_named(p_owner text, p_tenant uuid[], p_id uuid[])
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
      for update of e skip locked
    )
    update workflow_executions e
    set owner = p_owner, epoch = e.epoch + 1, wake_at = null
    from wanted where e.tenant_id = wanted.tenant_id and e.id = wanted.id
    returning e.tenant_id, e.id
  $$;

-- Takes executions of processes whose lease has run out. A process's row stays until nothing of its
-- own is left, so that a name that is missing means: never opened, or all taken.
create function take_over(p_owner text, p_limit integer)
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
      limit p_limit
      for update of e skip locked
    )
    update workflow_executions e
    set owner = p_owner, epoch = e.epoch + 1, wake_at = null
    from orphaned where e.tenant_id = orphaned.tenant_id and e.id = orphaned.id
    returning e.tenant_id, e.id
  $$;

-- What this owner has. Reads all that is active: for when an answer was lost, not for every look.
create function owned_executions(p_owner text)
  returns table (tenant_id uuid, id uuid)
  language sql stable
  as $$
    select e.tenant_id, e.id from workflow_executions e
    where e.outcome is null and e.owner = p_owner
  $$;

-- Takes again what is this owner's already, under a new epoch: whatever it has under way is fenced.
create function claim_again(p_owner text, p_tenant uuid[], p_id uuid[])
  returns table (tenant_id uuid, id uuid)
  language sql
  set enable_seqscan = off
  set enable_hashjoin = off
  set enable_mergejoin = off
  as $$
    update workflow_executions e
    set epoch = e.epoch + 1
    from unnest(p_tenant, p_id) w (tenant_id, id)
    where e.tenant_id = w.tenant_id and e.id = w.id and e.owner = p_owner and e.outcome is null
    returning e.tenant_id, e.id
  $$;

-- Gives executions up until `p_wake`. The count of signals is part of the condition: a release that
-- waited for a signal's lock reads the new count and is refused. Answers what was released.
create function release_executions(
  p_tenant uuid[], p_id uuid[], p_epoch integer[], p_wake float8[], p_signals integer[]
) returns table (n bigint, released boolean)
  language sql
  set enable_seqscan = off
  set enable_hashjoin = off
  set enable_mergejoin = off
  as $$
    with given as (
      update workflow_executions e
      set owner = null, wake_at = to_timestamp(x.wake)
      from unnest(p_tenant, p_id, p_epoch, p_wake, p_signals)
           with ordinality x (tenant_id, id, epoch, wake, signals, n)
      where e.tenant_id = x.tenant_id and e.id = x.id and e.epoch = x.epoch
        and e.signals = x.signals
      returning x.n
    )
    select x.n, x.n in (select given.n from given)
    from generate_series(1, cardinality(p_id)) x (n)
  $$;

-- Everything needed to go on with these executions, one row each, if `p_owner` has them (null: whoever
-- has them). `p_whole`: all events and no checkpoint.
create function load_executions(p_owner text, p_tenant uuid[], p_id uuid[], p_whole boolean)
  returns table (
    tenant_id uuid, id uuid, root_id uuid, parent_id uuid, parent_step text, depth smallint,
    workflow_id text, version text, program_hash text, runtime text, mode text, labels jsonb,
    correlation_id text, created_at timestamptz, epoch integer, signals integer,
    checkpoint_seq integer, checkpoint text,
    event_seq integer[], event_at timestamptz[], event_payload text[],
    signal_id bigint[], signal_payload text[])
  language sql stable
  set enable_seqscan = off
  set enable_hashjoin = off
  set enable_mergejoin = off
  as $$
    select e.tenant_id, e.id, e.root_id, e.parent_id, e.parent_step, e.depth, e.workflow_id,
           e.version, e.program_hash, e.runtime, e.mode, e.labels, e.correlation_id, e.created_at,
           e.epoch, e.signals, k.seq, k.state, v.seqs, v.ats, v.payloads, g.ids, g.payloads
    from unnest(p_tenant, p_id) w (tenant_id, id)
    join workflow_executions e on e.tenant_id = w.tenant_id and e.id = w.id
    left join execution_checkpoints k on k.tenant_id = w.tenant_id and k.execution_id = w.id and not p_whole
    cross join lateral (
      select array_agg(l.seq order by l.seq) as seqs, array_agg(l.at order by l.seq) as ats,
             array_agg(l.payload order by l.seq) as payloads
      from execution_events l
      where l.tenant_id = w.tenant_id and l.execution_id = w.id and l.seq > coalesce(k.seq, 0)
    ) v
    cross join lateral (
      select array_agg(s.id order by s.id) as ids, array_agg(s.payload order by s.id) as payloads
      from execution_signals s
      where s.tenant_id = w.tenant_id and s.execution_id = w.id
    ) g
    where p_owner is null or e.owner = p_owner
  $$;

-- Signals that wait for executions of this owner. Few signals wait at any time and executions are
-- many, so it goes from signal to execution, whatever statistics say.
create function pending_signals(p_owner text, p_limit integer)
  returns table (id bigint, tenant_id uuid, execution_id uuid, payload text)
  language sql stable
  set enable_seqscan = off
  as $$
    select s.id, s.tenant_id, s.execution_id, s.payload
    from execution_signals s
    cross join lateral (
      select from workflow_executions e
      where e.tenant_id = s.tenant_id and e.id = s.execution_id and e.owner = p_owner
      offset 0
    ) e
    order by s.id limit p_limit
  $$;

grant execute on function claim_due, claim_named, take_over, release_executions, pending_signals,
  owned_executions, claim_again
  to cloudflow_engine;
grant execute on function load_executions to cloudflow_engine, cloudflow_app;
