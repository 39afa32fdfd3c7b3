-- Tenants are made by operators alone, through a function that only they may invoke and that logs in as
-- cloudflow_relay. Nothing that answers requests of callers can make one.
create policy maker on tenants to cloudflow_relay using (true) with check (true);
grant select, insert on tenants to cloudflow_relay;
-- A tenant of before tenants had short names is given its own.
grant update (slug) on tenants to cloudflow_relay;
