-- People of a tenant, what they may do, and where they are signed in.
alter table tenants
  add column slug text,
  add column settings jsonb not null default '{}',
  add column revision integer not null default 1,
  add column updated_at timestamptz;
update tenants set slug = 'tenant-' || replace(id::text, '-', '');
alter table tenants
  alter column slug set default 'tenant-' || replace(gen_random_uuid()::text, '-', ''),
  alter column slug set not null,
  add constraint tenants_slug check (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$');
-- The one name that tenants share: it is what people type when they sign in, and operators choose it.
create unique index tenants_by_slug on tenants (slug);
grant update (name, settings, revision, updated_at) on tenants to cloudflow_app;

create table users (
  tenant_id uuid not null references tenants,
  id uuid not null,
  -- As it was given; `address` is its canonical spelling, by which it is one account.
  email text not null,
  address text not null,
  name text,
  status text not null check (status in ('invited', 'active', 'deactivated')),
  roles text[] not null,
  preferences jsonb not null default '{}',
  password_hash text,
  email_verified_at timestamptz,
  last_signed_in_at timestamptz,
  revision integer not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  primary key (tenant_id, id),
  unique (tenant_id, address)
);
create index users_with_role on users using gin (roles);

-- A tenant's own roles; those that every tenant has are in the code.
create table roles (
  tenant_id uuid not null references tenants,
  name text not null,
  about text not null,
  scopes text[] not null,
  revision integer not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  primary key (tenant_id, name)
);

create table sessions (
  tenant_id uuid not null,
  id uuid not null,
  user_id uuid not null,
  mode text not null check (mode in ('live', 'test')),
  device text,
  user_agent text,
  source text,
  -- How the user proved who they are (RFC 8176 words).
  methods text[] not null,
  signed_in_at timestamptz not null,
  second_factor_at timestamptz,
  last_used_at timestamptz not null,
  expires_at timestamptz not null,
  ended_at timestamptz,
  ended_because text,
  primary key (tenant_id, id),
  foreign key (tenant_id, user_id) references users
);
create index sessions_of_user on sessions (tenant_id, user_id, id) where ended_at is null;
create index sessions_past on sessions (expires_at);

-- SHA-256 of each; their text is stored nowhere. A used one is kept, so that its reuse is noticed.
create table refresh_tokens (
  digest bytea primary key check (octet_length(digest) = 32),
  tenant_id uuid not null,
  session_id uuid not null,
  issued_at timestamptz not null,
  expires_at timestamptz not null,
  used_at timestamptz,
  -- Who used it: a hash of what tells clients apart.
  used_by bytea,
  foreign key (tenant_id, session_id) references sessions on delete cascade
);
create index refresh_tokens_of_session on refresh_tokens (tenant_id, session_id);

-- What is mailed, or handed out between two halves of a sign-in. Good once.
create table one_time_tokens (
  digest bytea primary key check (octet_length(digest) = 32),
  tenant_id uuid not null,
  user_id uuid not null,
  purpose text not null,
  details jsonb not null default '{}',
  created_at timestamptz not null,
  expires_at timestamptz not null,
  foreign key (tenant_id, user_id) references users on delete cascade
);
create index one_time_tokens_of_user on one_time_tokens (tenant_id, user_id, purpose);
create index one_time_tokens_past on one_time_tokens (expires_at);

-- Authenticators. The secret is sealed; a code counts once, for its step must be beyond the last.
create table second_factors (
  tenant_id uuid not null,
  user_id uuid not null,
  secret bytea not null,
  confirmed_at timestamptz,
  last_step bigint not null default 0,
  -- SHA-256 of each recovery code that is left.
  recovery bytea[] not null default '{}',
  created_at timestamptz not null,
  primary key (tenant_id, user_id),
  foreign key (tenant_id, user_id) references users on delete cascade
);

do $$
declare
  name text;
begin
  foreach name in array array['users', 'roles', 'sessions', 'refresh_tokens', 'one_time_tokens',
                              'second_factors'] loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format(
      'create policy tenant on %I to cloudflow_app
         using (tenant_id = (select app_tenant())) with check (tenant_id = (select app_tenant()))',
      name);
    execute format('grant select, insert, update, delete on %I to cloudflow_app', name);
  end loop;
  foreach name in array array['tenants', 'users', 'roles', 'sessions', 'refresh_tokens',
                              'one_time_tokens'] loop
    execute format('create policy lookup on %I for select to cloudflow_lookup using (true)', name);
    execute format('grant select on %I to cloudflow_lookup', name);
  end loop;
  foreach name in array array['sessions', 'one_time_tokens'] loop
    execute format('create policy relay on %I to cloudflow_relay using (true)', name);
    execute format('grant select, delete on %I to cloudflow_relay', name);
  end loop;
end $$;
revoke delete on users from cloudflow_app;
-- What is asked before anyone knows the tenant: each answers a single row, by something unguessable
-- or by the name that people type.
create function find_tenant(p_slug text) returns uuid
  language sql stable security definer set search_path = pg_catalog, public
  as $$ select t.id from public.tenants t where t.slug = p_slug $$;

create function find_refresh_token(p_digest bytea) returns table (tenant_id uuid, session_id uuid)
  language sql stable security definer set search_path = pg_catalog, public
  as $$ select r.tenant_id, r.session_id from public.refresh_tokens r where r.digest = p_digest $$;

create function find_one_time_token(p_digest bytea) returns table (tenant_id uuid)
  language sql stable security definer set search_path = pg_catalog, public
  as $$ select t.tenant_id from public.one_time_tokens t where t.digest = p_digest $$;

-- Everything that an access token claims and that may have changed since, in one round trip.
create function find_session(p_tenant uuid, p_session uuid)
  returns table (user_id uuid, mode text, user_status text, roles text[], scopes text[],
                 settings jsonb, second_factor_at timestamptz, expires_at timestamptz,
                 ended_at timestamptz)
  language sql stable security definer set search_path = pg_catalog, public
  as $$
    select s.user_id, s.mode, u.status, u.roles,
           array(select distinct unnest(r.scopes) from public.roles r
                 where r.tenant_id = p_tenant and r.name = any (u.roles)),
           t.settings, s.second_factor_at, s.expires_at, s.ended_at
    from public.sessions s
    join public.users u on u.tenant_id = s.tenant_id and u.id = s.user_id
    join public.tenants t on t.id = s.tenant_id
    where s.tenant_id = p_tenant and s.id = p_session
  $$;

do $$
declare
  name text;
begin
  foreach name in array array['find_tenant(text)', 'find_refresh_token(bytea)',
                              'find_one_time_token(bytea)', 'find_session(uuid, uuid)'] loop
    execute format('alter function %s owner to cloudflow_lookup', name);
    execute format('grant execute on function %s to cloudflow_app, cloudflow_login', name);
  end loop;
end $$;

-- Guesses, counted before anything is hashed. Keys are hashes of account, source or both; accounts
-- that do not exist count like those that do, so a row tells nothing. Not of any tenant.
create table login_guesses (
  key bytea primary key check (octet_length(key) = 32),
  guesses integer not null,
  until timestamptz not null
);
create index login_guesses_past on login_guesses (until);
grant select, insert, update, delete on login_guesses to cloudflow_login;
grant select, delete on login_guesses to cloudflow_relay;

-- Counts one guess under every key, or none: answers when the first exhausted key is free again, null
-- when the guess may be made. Keys come in one order, so two calls never wait for each other.
create function reserve_guess(p_keys bytea[], p_limits integer[], p_now timestamptz, p_window interval)
  returns timestamptz
  language plpgsql
  as $$
declare
  i integer;
  held login_guesses;
  blocked timestamptz;
begin
  for i in 1 .. array_length(p_keys, 1) loop
    insert into login_guesses as g (key, guesses, until)
    values (p_keys[i], 0, p_now + p_window)
    on conflict (key) do update
      set guesses = case when g.until <= p_now then 0 else g.guesses end,
          until = case when g.until <= p_now then excluded.until else g.until end
    returning g.* into held;
    if held.guesses >= p_limits[i] then blocked := greatest(blocked, held.until); end if;
  end loop;
  if blocked is not null then return blocked; end if;
  -- The lock begins with the guess that exhausts it, not with the first.
  update login_guesses g
  set guesses = g.guesses + 1, until = p_now + p_window
  where g.key = any (p_keys);
  return null;
end $$;
grant execute on function reserve_guess to cloudflow_login;
revoke execute on function reserve_guess from public;
