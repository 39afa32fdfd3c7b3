-- A lease measures a process, so it runs in the server's time: business time may stand still or jump
-- a year. How long an answer is kept stays business time. What is under way has not expired.
drop function begin_idempotent(uuid, text, text, uuid, timestamptz, timestamptz, timestamptz);

create function begin_idempotent(
  p_tenant uuid, p_key text, p_fingerprint text, p_attempt uuid, p_lease interval,
  p_now timestamptz, p_expires timestamptz
) returns table (kind text, response text)
  language plpgsql
  as $$
declare
  held idempotency_records;
  v_real timestamptz := clock_timestamp();
begin
  perform set_config('app.tenant', p_tenant::text, true);
  insert into idempotency_records as r
    (tenant_id, key, fingerprint, created_at, expires_at, attempt, lease_until)
  values (p_tenant, p_key, p_fingerprint, p_now, p_expires, p_attempt, v_real + p_lease)
  on conflict (tenant_id, key) do update
    set fingerprint = excluded.fingerprint, execution_id = null, response = null,
        created_at = excluded.created_at, expires_at = excluded.expires_at,
        attempt = excluded.attempt, lease_until = excluded.lease_until
    where (r.expires_at <= p_now and (r.lease_until is null or r.lease_until <= v_real))
       or (r.fingerprint = excluded.fingerprint and r.response is null
           and r.execution_id is null and r.lease_until <= v_real)
  returning r.* into held;
  if held.attempt is not null and held.attempt = p_attempt then
    return query select 'begun'::text, null::text;
    return;
  end if;
  select * into held from idempotency_records r
  where r.tenant_id = p_tenant and r.key = p_key;
  return query select
    case when held.fingerprint is distinct from p_fingerprint then 'reused'
         when held.response is not null then 'answered'
         else 'in_progress' end,
    held.response;
end $$;
grant execute on function begin_idempotent to cloudflow_app;
