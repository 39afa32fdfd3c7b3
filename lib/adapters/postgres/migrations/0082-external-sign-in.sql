-- Where people of a tenant sign in besides here, and whom they are there.
create table identity_providers (
  tenant_id uuid not null references tenants,
  id uuid not null,
  -- Stands in the address that the provider sends people back to.
  name text not null,
  kind text not null check (kind in ('oidc', 'oauth2', 'saml')),
  enabled boolean not null,
  -- How it is asked; never a secret.
  settings jsonb not null,
  -- The name in the store of secrets, used once, as those of connections are.
  kept_secret text,
  email_domains text[] not null,
  -- Of users that it brings along; null: it brings nobody.
  default_roles text[],
  trusts_mfa boolean not null,
  revision integer not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  primary key (tenant_id, id),
  unique (tenant_id, name)
);

create table external_identities (
  tenant_id uuid not null,
  provider_id uuid not null,
  -- The provider's id for them, as long as it may be (OpenID Connect allows 255, SAML 1,024).
  subject text not null check (length(subject) between 1 and 1024),
  user_id uuid not null,
  linked_at timestamptz not null,
  primary key (tenant_id, provider_id, subject),
  foreign key (tenant_id, provider_id) references identity_providers on delete cascade,
  foreign key (tenant_id, user_id) references users on delete cascade
);
create index external_identities_of_user on external_identities (tenant_id, user_id);

-- Sign-ins that are under way. Each row is taken once, by deleting it; a code that was traded leaves one
-- behind, so that its reuse is noticed.
create table sign_ins (
  -- SHA-256 of what proves that somebody goes on with it.
  digest bytea primary key check (octet_length(digest) = 32),
  tenant_id uuid not null,
  provider_id uuid not null,
  stage text not null check (stage in ('begun', 'answered', 'used')),
  -- What only the two halves of it may know, and where it leads back to.
  sealed bytea not null,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  foreign key (tenant_id, provider_id) references identity_providers on delete cascade
);
create index sign_ins_past on sign_ins (expires_at);
create index sign_ins_of_provider on sign_ins (tenant_id, provider_id);

do $$
declare
  name text;
begin
  foreach name in array array['identity_providers', 'external_identities', 'sign_ins'] loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format(
      'create policy tenant on %I to cloudflow_app
         using (tenant_id = (select app_tenant())) with check (tenant_id = (select app_tenant()))',
      name);
    execute format('grant select, insert, update, delete on %I to cloudflow_app', name);
  end loop;
end $$;
revoke update on external_identities, sign_ins from cloudflow_app;
create policy lookup on sign_ins for select to cloudflow_lookup using (true);
grant select on sign_ins to cloudflow_lookup;
create policy relay on sign_ins to cloudflow_relay using (true);
grant select, delete on sign_ins to cloudflow_relay;

-- Asked before anyone knows the tenant, by something unguessable.
create function find_sign_in(p_digest bytea) returns table (tenant_id uuid)
  language sql stable security definer set search_path = pg_catalog, public
  as $$ select s.tenant_id from public.sign_ins s where s.digest = p_digest $$;
alter function find_sign_in(bytea) owner to cloudflow_lookup;
grant execute on function find_sign_in(bytea) to cloudflow_app, cloudflow_login;
