-- A key may be for certain workflows only, and says when it was last used (to the minute).
alter table api_keys
  add column workflows text[],
  add column last_used_at timestamptz;

drop function find_api_key(text);
create function find_api_key(p_key_id text)
  returns table (tenant_id uuid, mode text, name text, digest bytea, scopes text[],
                 workflows text[], created_at timestamptz, expires_at timestamptz,
                 last_used_at timestamptz, revoked_at timestamptz)
  language sql stable security definer
  set search_path = pg_catalog, public
  as $$
    select k.tenant_id, k.mode, k.name, k.digest, k.scopes, k.workflows, k.created_at, k.expires_at,
           k.last_used_at, k.revoked_at
    from public.api_keys k where k.key_id = p_key_id
  $$;
alter function find_api_key(text) owner to cloudflow_lookup;
grant execute on function find_api_key(text) to cloudflow_app, cloudflow_login;
