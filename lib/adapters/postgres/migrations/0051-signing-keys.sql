-- Keys that sign tokens. The private part is sealed under a key that is not in this database.
create table signing_keys (
  -- Thumbprint of the public part (RFC 7638).
  kid text primary key,
  n text not null,
  e text not null,
  sealed bytea not null,
  created_at timestamptz not null,
  signs_from timestamptz not null unique
);
grant select on signing_keys to cloudflow_app;
grant select, insert, delete on signing_keys to cloudflow_relay;
