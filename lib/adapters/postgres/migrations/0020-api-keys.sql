-- Keys are found before anyone knows the tenant, so their ids are unique across tenants: they are
-- random and made by us, so a collision tells nobody anything.
create table api_keys (
  key_id text primary key check (key_id ~ '^[0-9A-Za-z]{8}$'),
  tenant_id uuid not null references tenants,
  mode text not null check (mode in ('live', 'test')),
  name text not null,
  -- SHA-256 of the key; its text is stored nowhere.
  digest bytea not null check (octet_length(digest) = 32),
  scopes text[] not null,
  created_at timestamptz not null,
  expires_at timestamptz,
  revoked_at timestamptz
);
create index api_keys_of_tenant on api_keys (tenant_id, created_at);
alter table api_keys enable row level security;
alter table api_keys force row level security;
create policy tenant on api_keys to cloudflow_app
  using (tenant_id = (select app_tenant())) with check (tenant_id = (select app_tenant()));
grant select, insert, update on api_keys to cloudflow_app;

create policy lookup on api_keys for select to cloudflow_lookup using (true);
grant select on api_keys to cloudflow_lookup;
create function find_api_key(p_key_id text)
  returns table (tenant_id uuid, mode text, digest bytea, scopes text[], created_at timestamptz,
                 expires_at timestamptz, revoked_at timestamptz)
  language sql stable security definer
  set search_path = pg_catalog, public
  as $$
    select k.tenant_id, k.mode, k.digest, k.scopes, k.created_at, k.expires_at, k.revoked_at
    from public.api_keys k where k.key_id = p_key_id
  $$;
alter function find_api_key(text) owner to cloudflow_lookup;
grant execute on function find_api_key(text) to cloudflow_app, cloudflow_login;
