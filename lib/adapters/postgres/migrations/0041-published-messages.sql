-- What makes a repeated publish harmless: an attempt of a step may be made twice, its message not.
create table published_messages (
  tenant_id uuid not null,
  id uuid not null,
  at timestamptz not null,
  primary key (tenant_id, id)
);
create index published_messages_by_age on published_messages (at);
alter table published_messages enable row level security;
alter table published_messages force row level security;
create policy tenant on published_messages to cloudflow_app
  using (tenant_id = (select app_tenant())) with check (tenant_id = (select app_tenant()));
create policy relay on published_messages to cloudflow_relay using (true);
grant select, insert on published_messages to cloudflow_app;
grant select, delete on published_messages to cloudflow_relay;

create function publish_message(
  p_tenant uuid, p_id uuid, p_topic text, p_key text, p_at timestamptz, p_payload text
) returns boolean
  language plpgsql
  as $$
begin
  perform set_config('app.tenant', p_tenant::text, true);
  insert into published_messages (tenant_id, id, at) values (p_tenant, p_id, p_at)
  on conflict do nothing;
  if not found then
    return false;
  end if;
  insert into outbox (tenant_id, topic, key, at, payload)
  values (p_tenant, p_topic, p_key, p_at, p_payload);
  return true;
end $$;
revoke execute on function publish_message from public;
grant execute on function publish_message to cloudflow_app;
