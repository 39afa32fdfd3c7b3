-- Partitions are made ahead by a job, and on demand by whoever meets a month that has none: a clock
-- may jump. Made apart and then attached, so that readers and writers of the parent go on.

create function uuid_v7_floor(p_at timestamptz) returns uuid
  language sql immutable strict parallel safe
  as $$
    select (lpad(to_hex(floor(extract(epoch from p_at) * 1000)::bigint), 12, '0')
            || '00000000000000000000')::uuid
  $$;

create function ensure_partition(p_parent text, p_name text, p_from text, p_to text) returns boolean
  language plpgsql
  set search_path = pg_catalog, public
  as $$
begin
  if to_regclass(p_name) is not null then
    return false;
  end if;
  execute format('create table public.%I (like public.%I including all excluding identity)%s',
                 p_name, p_parent,
                 -- Room for the next version of a row on its own page: updates touch no index there.
                 case when p_parent in ('workflow_executions', 'workflow_steps')
                      then ' with (fillfactor = 75)' else '' end);
  execute format('alter table public.%I attach partition public.%I for values from (%L) to (%L)',
                 p_parent, p_name, p_from, p_to);
  -- No role has rights on a partition, and row security holds for its own name too.
  execute format('alter table public.%I enable row level security', p_name);
  execute format('alter table public.%I force row level security', p_name);
  return true;
end $$;

-- Answers how many were made. `p_from` and `p_to` are business times; both ends are included.
create function ensure_partitions(p_from timestamptz, p_to timestamptz) returns integer
  language plpgsql security definer
  set search_path = pg_catalog, public
  set timezone = 'UTC'
  as $$
declare
  month timestamptz := date_trunc('month', p_from);
  day timestamptz := date_trunc('day', p_from);
  parent text;
  made integer := 0;
begin
  if p_to < p_from or p_to > p_from + interval '400 days'
     or p_from < '2000-01-01' or p_to >= '2200-01-01' then
    raise exception 'partitions from % to %: use a range of at most 400 days between 2000 and 2200',
      p_from, p_to using errcode = '22023';
  end if;
  perform pg_advisory_xact_lock(hashtext('cloudflow.partitions'));
  while month <= p_to loop
    foreach parent in array array['workflow_executions', 'execution_events', 'workflow_steps',
                                  'execution_search'] loop
      made := made + ensure_partition(
        parent, parent || to_char(month, '_YYYYMM'),
        uuid_v7_floor(month)::text, uuid_v7_floor(month + interval '1 month')::text)::integer;
    end loop;
    month := month + interval '1 month';
  end loop;
  -- Days of the outbox only near the start: it is written at the time it is, never ahead.
  while day <= least(p_to, p_from + interval '3 days') loop
    made := made + ensure_partition(
      'outbox', 'outbox' || to_char(day, '_YYYYMMDD'),
      day::text, (day + interval '1 day')::text)::integer;
    day := day + interval '1 day';
  end loop;
  return made;
end $$;
grant execute on function ensure_partitions(timestamptz, timestamptz)
  to cloudflow_app, cloudflow_engine;

-- Drops the days of the outbox that lie wholly before `p_before`. Answers how many.
create function drop_outbox_days(p_before timestamptz) returns integer
  language plpgsql security definer
  set search_path = pg_catalog, public
  set timezone = 'UTC'
  as $$
declare
  part record;
  dropped integer := 0;
begin
  for part in
    select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'public.outbox'::regclass
      and to_date(right(c.relname, 8), 'YYYYMMDD') < date_trunc('day', p_before)::date
  loop
    execute format('drop table public.%I', part.relname);
    dropped := dropped + 1;
  end loop;
  return dropped;
end $$;
grant execute on function drop_outbox_days(timestamptz) to cloudflow_relay;
