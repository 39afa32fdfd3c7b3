-- As find_session_state, with how new the user's row is: a profile out of a cache is held against it at every
-- call, and when they last signed in, which is no new revision, is answered from here.
create function find_session_user(p_tenant uuid, p_session uuid)
  returns table (user_id uuid, mode text, user_status text, email text, roles text[], scopes text[],
                 settings jsonb, second_factor_at timestamptz, expires_at timestamptz,
                 ended_at timestamptz, provider_id uuid, user_revision integer,
                 user_updated_at timestamptz, last_signed_in_at timestamptz)
  language sql stable security definer set search_path = pg_catalog, public
  as $$
    select s.user_id, s.mode, u.status, u.email, u.roles,
           array(select distinct unnest(r.scopes) from public.roles r
                 where r.tenant_id = p_tenant and r.name = any (u.roles)),
           t.settings, s.second_factor_at, s.expires_at, s.ended_at, s.provider_id, u.revision,
           u.updated_at, u.last_signed_in_at
    from public.sessions s
    join public.users u on u.tenant_id = s.tenant_id and u.id = s.user_id
    join public.tenants t on t.id = s.tenant_id
    where s.tenant_id = p_tenant and s.id = p_session
  $$;
alter function find_session_user(uuid, uuid) owner to cloudflow_lookup;
grant execute on function find_session_user(uuid, uuid) to cloudflow_app, cloudflow_login;
