-- What steps may reach. A specification names secrets and never holds one.
create table connections (
  tenant_id uuid not null references tenants,
  mode text not null check (mode in ('live', 'test')),
  name text not null,
  revision integer not null,
  spec jsonb not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  primary key (tenant_id, mode, name)
);

-- Registered statements; their names are unique across the connections of a tenant and mode.
create table operations (
  tenant_id uuid not null,
  mode text not null,
  name text not null,
  connection text not null,
  revision integer not null,
  spec jsonb not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  primary key (tenant_id, mode, name),
  foreign key (tenant_id, mode, connection) references connections
);
create index operations_of_connection on operations (tenant_id, mode, connection, name);

do $$
declare
  name text;
begin
  foreach name in array array['connections', 'operations'] loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format(
      'create policy tenant on %I to cloudflow_app
         using (tenant_id = (select app_tenant())) with check (tenant_id = (select app_tenant()))',
      name);
    execute format('grant select, insert, update, delete on %I to cloudflow_app', name);
  end loop;
end $$;
