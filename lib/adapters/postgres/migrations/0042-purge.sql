-- What has expired is deleted, batch by batch and for all tenants, by whoever forgets published
-- messages already.
create policy relay on idempotency_records to cloudflow_relay using (true);
create policy relay on callbacks to cloudflow_relay using (true);
grant select, delete on idempotency_records, callbacks to cloudflow_relay;
