-- A connection has its secrets to itself. Where each is kept is in its row, under a name that is used
-- once; `id` tells a connection from an earlier one of the same name.
alter table connections
  add column id uuid not null default gen_random_uuid(),
  -- By the name in the specification, the name in the store of secrets. What is not in it was stored
  -- before connections had their own: it is kept under the name that the specification has for it,
  -- where others of that time may share it, and nothing deletes it.
  add column secrets jsonb not null default '{}';

-- Every name that a value was, or was about to be, stored under. Written before the value and deleted
-- after it, so that no value is left that nobody knows of.
create table connection_secrets (
  tenant_id uuid not null references tenants,
  mode text not null check (mode in ('live', 'test')),
  kept_as text not null,
  -- Since when no connection names it; null: one does.
  unused_since timestamptz,
  -- Its value is being deleted, so no connection may name it any more.
  going boolean not null default false,
  primary key (tenant_id, mode, kept_as)
);
create index connection_secrets_unused on connection_secrets (unused_since)
  where unused_since is not null;

alter table connection_secrets enable row level security;
alter table connection_secrets force row level security;
create policy tenant on connection_secrets to cloudflow_app
  using (tenant_id = (select app_tenant())) with check (tenant_id = (select app_tenant()));
create policy relay on connection_secrets to cloudflow_relay using (true);
grant select, insert, update on connection_secrets to cloudflow_app;
grant select, update, delete on connection_secrets to cloudflow_relay;
