-- A workflow's row is what lists and searches show of its current version; the versions are the truth.
create table workflows (
  tenant_id uuid not null references tenants,
  mode text not null check (mode in ('live', 'test')),
  workflow_id text not null,
  -- The highest version that is not deleted.
  version text not null,
  description text,
  runtime text not null,
  step_count integer not null,
  version_count integer not null,
  -- Grows with every change, also through deletion, so that no ETag ever comes back.
  revision integer not null,
  definition jsonb not null,
  search tsvector not null generated always as (
    to_tsvector('simple', workflow_id || ' ' || replace(workflow_id, '-', ' ') || ' '
                          || coalesce(description, ''))) stored,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  deleted_at timestamptz,
  primary key (tenant_id, mode, workflow_id)
);
create index workflows_search on workflows using gin (tenant_id, search);
create index workflows_definition on workflows using gin (definition jsonb_path_ops);

create table workflow_versions (
  tenant_id uuid not null,
  mode text not null,
  workflow_id text not null,
  version text not null,
  -- The three numbers of the version: what order is made of.
  numbers integer[] not null check (cardinality(numbers) = 3),
  description text,
  -- As it was written: json keeps the author's order of members.
  definition json not null,
  definition_hash text not null,
  program json not null,
  program_hash text not null,
  warnings json not null,
  report json not null,
  runtime json not null,
  created_at timestamptz not null,
  created_by text not null,
  deleted_at timestamptz,
  primary key (tenant_id, mode, workflow_id, version),
  foreign key (tenant_id, mode, workflow_id) references workflows
);
create index workflow_versions_order on workflow_versions (tenant_id, mode, workflow_id, numbers desc);
create index workflow_versions_program on workflow_versions (tenant_id, program_hash);

do $$
declare
  name text;
begin
  foreach name in array array['workflows', 'workflow_versions'] loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format(
      'create policy tenant on %I to cloudflow_app
         using (tenant_id = (select app_tenant())) with check (tenant_id = (select app_tenant()))',
      name);
    execute format('grant select, insert, update on %I to cloudflow_app', name);
  end loop;
end $$;

-- The two reads of the hot path, one round trip each: the tenant is set for their transaction only.
create function find_workflow(p_tenant uuid, p_mode text, p_workflow text)
  returns table (version text, description text, runtime text, step_count integer,
                 version_count integer, revision integer, created_at timestamptz,
                 updated_at timestamptz)
  language plpgsql
  as $$
begin
  perform set_config('app.tenant', p_tenant::text, true);
  return query
    select w.version, w.description, w.runtime, w.step_count, w.version_count, w.revision,
           w.created_at, w.updated_at
    from workflows w
    where w.tenant_id = p_tenant and w.mode = p_mode and w.workflow_id = p_workflow
      and w.deleted_at is null;
end $$;
grant execute on function find_workflow to cloudflow_app;
