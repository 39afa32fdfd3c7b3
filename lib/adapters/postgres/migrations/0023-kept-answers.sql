-- A call under an Idempotency-Key first takes its key, then works, then keeps its answer. Until then
-- the row names the try that holds it and until when the others believe that it is alive.
alter table idempotency_records
  add column attempt uuid,
  add column lease_until timestamptz;

-- Takes the key, or tells what is there. A row that expired, or whose try is dead, is taken over.
create function begin_idempotent(
  p_tenant uuid, p_key text, p_fingerprint text, p_attempt uuid, p_now timestamptz,
  p_lease timestamptz, p_expires timestamptz
) returns table (kind text, response text)
  language plpgsql
  as $$
declare
  held idempotency_records;
begin
  perform set_config('app.tenant', p_tenant::text, true);
  insert into idempotency_records as r
    (tenant_id, key, fingerprint, created_at, expires_at, attempt, lease_until)
  values (p_tenant, p_key, p_fingerprint, p_now, p_expires, p_attempt, p_lease)
  on conflict (tenant_id, key) do update
    set fingerprint = excluded.fingerprint, execution_id = null, response = null,
        created_at = excluded.created_at, expires_at = excluded.expires_at,
        attempt = excluded.attempt, lease_until = excluded.lease_until
    where r.expires_at <= p_now
       or (r.fingerprint = excluded.fingerprint and r.response is null
           and r.execution_id is null and r.lease_until <= p_now)
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
