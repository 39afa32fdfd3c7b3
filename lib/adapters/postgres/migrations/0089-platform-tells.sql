-- What the platform does by itself is told in the transaction that does it.
grant insert on audit_inbox to cloudflow_relay;
