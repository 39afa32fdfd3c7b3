-- A key may say how many requests a minute it makes. Whoever calls with one is held to that and to the
-- settings of its tenant, which are read with it in one round trip.
alter table api_keys add column requests_per_minute integer;

create function find_calling_key(p_key_id text)
  returns table (tenant_id uuid, mode text, name text, digest bytea, scopes text[],
                 workflows text[], requests_per_minute integer, created_at timestamptz,
                 expires_at timestamptz, last_used_at timestamptz, revoked_at timestamptz,
                 settings jsonb)
  language sql stable security definer set search_path = pg_catalog, public
  as $$
    select k.tenant_id, k.mode, k.name, k.digest, k.scopes, k.workflows, k.requests_per_minute,
           k.created_at, k.expires_at, k.last_used_at, k.revoked_at, t.settings
    from public.api_keys k join public.tenants t on t.id = k.tenant_id
    where k.key_id = p_key_id
  $$;
alter function find_calling_key(text) owner to cloudflow_lookup;
grant execute on function find_calling_key(text) to cloudflow_app, cloudflow_login;
