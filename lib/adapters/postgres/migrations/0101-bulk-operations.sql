-- One action on many executions: a row that knows how far it has got, so that it goes on wherever it was
-- interrupted. Leases and turns are real time, as those of engines are: they measure processes.
create table bulk_operations (
  tenant_id uuid not null references tenants,
  id uuid not null,
  mode text not null check (mode in ('live', 'test')),
  action text not null check (action in ('cancel', 'pause', 'resume', 'retry')),
  -- The filter and what the action was asked with, through the codec of payloads.
  request text not null,
  created_by text not null,
  created_at timestamptz not null,
  status text not null check (status in ('RUNNING', 'COMPLETED', 'CANCELLED')),
  most integer not null check (most > 0),
  seen integer not null default 0,
  changed integer not null default 0,
  refused integer not null default 0,
  failed integer not null default 0,
  -- The first few that were not changed, and why.
  refusals json not null default '[]',
  -- Where its list of executions goes on; null: at the beginning.
  position text,
  ended_at timestamptz,
  turn_at timestamptz not null default clock_timestamp(),
  lease_until timestamptz not null default '-infinity',
  -- Grows with every lease: who had one before writes nothing any more.
  epoch integer not null default 0,
  primary key (tenant_id, id)
);
create index bulk_operations_open on bulk_operations (turn_at) where status = 'RUNNING';

alter table bulk_operations enable row level security;
alter table bulk_operations force row level security;
create policy tenant on bulk_operations to cloudflow_app
  using (tenant_id = (select app_tenant())) with check (tenant_id = (select app_tenant()));
create policy engine on bulk_operations to cloudflow_engine using (true) with check (true);
create policy relay on bulk_operations to cloudflow_relay using (true);
grant select, insert, update on bulk_operations to cloudflow_app;
grant select, update on bulk_operations to cloudflow_engine;
grant select, delete on bulk_operations to cloudflow_relay;

-- Takes the one whose last turn is longest ago. Of a tenant and mode only the oldest goes on: what was
-- asked for first is done first, and whoever asks for much has one turn as everybody else.
create function claim_bulk_operation(p_lease interval) returns setof bulk_operations
  language sql
  as $$
    with next as (
      select o.tenant_id, o.id from bulk_operations o
      where o.status = 'RUNNING' and o.lease_until < clock_timestamp()
        and not exists (
          select from bulk_operations e
          where e.tenant_id = o.tenant_id and e.mode = o.mode and e.status = 'RUNNING'
            and e.id < o.id)
      order by o.turn_at limit 1
      for update skip locked
    )
    update bulk_operations o
    set lease_until = clock_timestamp() + p_lease, turn_at = clock_timestamp(), epoch = o.epoch + 1
    from next where o.tenant_id = next.tenant_id and o.id = next.id
    returning o.*
  $$;
revoke execute on function claim_bulk_operation from public;
grant execute on function claim_bulk_operation to cloudflow_engine;
