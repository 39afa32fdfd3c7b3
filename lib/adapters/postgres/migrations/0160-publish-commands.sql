-- What wakes engines goes to their topic by the outbox; a repeat of it is harmless, so nothing is remembered.
create function publish_commands(
  p_tenant uuid, p_topic text, p_at timestamptz, p_keys text[], p_payloads text[]
) returns void
  language plpgsql
  as $$
begin
  perform set_config('app.tenant', p_tenant::text, true);
  insert into outbox (tenant_id, topic, key, at, payload)
  select p_tenant, p_topic, key, p_at, payload
  from unnest(p_keys, p_payloads) with ordinality as c (key, payload, n)
  order by n;
end $$;
revoke execute on function publish_commands from public;
grant execute on function publish_commands to cloudflow_app;
