-- A day of the outbox goes when it is old and everybody who reads the outbox has read it: what brokers were too
-- long away for stays until it is relayed, however old it is. In place of `drop_outbox_days` of 0004, which
-- asked for the time alone: the version before may still call it, and drops nothing any more.
create or replace function drop_outbox_days(p_before timestamptz) returns integer
  language sql security definer
  set search_path = pg_catalog, public
  as 'select 0';

-- Row security holds for the owner of the table too, as whom the function below looks at what was not read.
do $$
begin
  execute format('create policy keeper on outbox for select to %I using (true)', current_user);
end $$;

-- Drops the days that lie wholly before `p_before` and hold nothing that a reader has not passed: of its topic
-- the group of the same place. Answers how many, and how many are as old and stay.
create function drop_read_outbox_days(p_before timestamptz, p_groups text[], p_topics text[])
  returns table (dropped integer, kept integer)
  language plpgsql security definer
  set search_path = pg_catalog, public
  set timezone = 'UTC'
  as $$
declare
  part record;
  is_unread boolean;
begin
  dropped := 0;
  kept := 0;
  if cardinality(p_groups) <> cardinality(p_topics) or cardinality(p_groups) = 0 then
    raise exception '% groups and % topics: name for each topic a group that reads it, one at least',
      cardinality(p_groups), cardinality(p_topics) using errcode = '22023';
  end if;
  perform pg_advisory_xact_lock(hashtext('cloudflow.partitions'));
  for part in
    select c.relname, to_date(right(c.relname, 8), 'YYYYMMDD') as day
    from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'public.outbox'::regclass
      and to_date(right(c.relname, 8), 'YYYYMMDD') < date_trunc('day', p_before)::date
    order by 2
  loop
    -- Whoever still writes into it is waited for.
    execute format('lock table public.%I in share row exclusive mode', part.relname);
    select exists (
      select from unnest(p_groups, p_topics) g (name, topic)
      left join public.outbox_offsets f on f.consumer_group = g.name and f.topic = g.topic
      cross join lateral (
        select from public.outbox o
        where o.topic = g.topic and o.at >= part.day and o.at < part.day + 1
          and (o.xid, o.id) > (coalesce(f.xid, '0'::xid8), coalesce(f.id, 0))
        limit 1
      ) o
    ) into is_unread;
    if is_unread then
      kept := kept + 1;
    else
      execute format('drop table public.%I', part.relname);
      dropped := dropped + 1;
    end if;
  end loop;
  return next;
end $$;
revoke execute on function drop_read_outbox_days from public;
grant execute on function drop_read_outbox_days to cloudflow_relay;
