-- Whoever answers a callback is held to the settings of its tenant, which are read with it in one round trip.
create function find_answerable(p_token_hash text)
  returns table (tenant_id uuid, execution_id uuid, step text, expires_at timestamptz,
                 finished_at timestamptz, settings jsonb)
  language sql stable security definer set search_path = pg_catalog, public
  as $$
    select c.tenant_id, c.execution_id, c.step, c.expires_at, c.finished_at, t.settings
    from public.callbacks c join public.tenants t on t.id = c.tenant_id
    where c.token_hash = p_token_hash
  $$;
alter function find_answerable(text) owner to cloudflow_lookup;
grant execute on function find_answerable(text) to cloudflow_app, cloudflow_login;
