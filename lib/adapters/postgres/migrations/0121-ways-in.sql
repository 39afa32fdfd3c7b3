-- Where somebody signed in: whoever closes a provider, or unlinks an identity, ends what came through it.
alter table sessions add column provider_id uuid;
create index sessions_of_provider on sessions (tenant_id, provider_id)
  where provider_id is not null and ended_at is null;

-- As find_session, with where the session came through and what a new token says of its user.
create function find_session_state(p_tenant uuid, p_session uuid)
  returns table (user_id uuid, mode text, user_status text, email text, roles text[], scopes text[],
                 settings jsonb, second_factor_at timestamptz, expires_at timestamptz,
                 ended_at timestamptz, provider_id uuid)
  language sql stable security definer set search_path = pg_catalog, public
  as $$
    select s.user_id, s.mode, u.status, u.email, u.roles,
           array(select distinct unnest(r.scopes) from public.roles r
                 where r.tenant_id = p_tenant and r.name = any (u.roles)),
           t.settings, s.second_factor_at, s.expires_at, s.ended_at, s.provider_id
    from public.sessions s
    join public.users u on u.tenant_id = s.tenant_id and u.id = s.user_id
    join public.tenants t on t.id = s.tenant_id
    where s.tenant_id = p_tenant and s.id = p_session
  $$;
alter function find_session_state(uuid, uuid) owner to cloudflow_lookup;
grant execute on function find_session_state(uuid, uuid) to cloudflow_app, cloudflow_login;
