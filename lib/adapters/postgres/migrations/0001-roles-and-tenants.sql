-- Roles belong to the cluster and databases are many, so each is made only where it is absent.
-- They are NOLOGIN here: a deployment gives each a login role or a password of its own; locally a
-- session becomes one of them at its start. What each may do is `roles.ts`, and a test reads the grants.
do $$
declare
  name text;
begin
  foreach name in array array['cloudflow_app', 'cloudflow_engine', 'cloudflow_relay',
                              'cloudflow_login', 'cloudflow_lookup'] loop
    begin
      execute format('create role %I nologin nosuperuser nobypassrls nocreatedb nocreaterole', name);
    exception when duplicate_object or unique_violation then null;
    end;
  end loop;
end $$;

revoke create on schema public from public;
revoke all on all functions in schema public from public;
alter default privileges in schema public revoke execute on functions from public;
grant usage on schema public
  to cloudflow_app, cloudflow_engine, cloudflow_relay, cloudflow_login, cloudflow_lookup;

create extension if not exists btree_gin;

-- The tenant of this transaction; null where none was set, and then no row is seen.
-- After a commit the setting reads as empty text, which a bare cast would refuse.
create function app_tenant() returns uuid
  language sql stable parallel safe
  as $$ select nullif(current_setting('app.tenant', true), '')::uuid $$;
grant execute on function app_tenant()
  to cloudflow_app, cloudflow_engine, cloudflow_relay, cloudflow_login, cloudflow_lookup;

create table tenants (
  id uuid primary key,
  name text not null,
  created_at timestamptz not null
);
alter table tenants enable row level security;
alter table tenants force row level security;
create policy tenant on tenants to cloudflow_app
  using (id = (select app_tenant())) with check (id = (select app_tenant()));
grant select on tenants to cloudflow_app;
