-- Small records, most of which expire (the KeyValue port). Ids are ASCII and compare by bytes.
create table records (
  tenant_id uuid not null,
  kind text collate "C" not null check (kind ~ '^[a-z][a-z0-9_]{0,31}$'),
  id text collate "C" not null check (id ~ '^[!-~]+$' and length(id) <= 256),
  version uuid not null,
  content text not null,
  expires_at timestamptz,
  primary key (tenant_id, kind, id)
);
create index records_expired on records (expires_at) where expires_at is not null;
alter table records enable row level security;
alter table records force row level security;
create policy tenant on records to cloudflow_app
  using (tenant_id = (select app_tenant())) with check (tenant_id = (select app_tenant()));
create policy relay on records to cloudflow_relay using (true);
grant select, insert, update, delete on records to cloudflow_app;
grant select, delete on records to cloudflow_relay;

-- Each of these is one request, and a transaction of its own: the tenant is set for no longer.
create function get_record(p_tenant uuid, p_kind text, p_id text, p_now timestamptz)
  returns table (version uuid, content text, expires_at timestamptz)
  language plpgsql
  as $$
begin
  perform set_config('app.tenant', p_tenant::text, true);
  return query
    select r.version, r.content, r.expires_at from records r
    where r.tenant_id = p_tenant and r.kind = p_kind and r.id = p_id
      and (r.expires_at is null or r.expires_at > p_now);
end $$;

-- Writes over the version that is given, or over nothing; answers what is there afterwards.
create function put_record(
  p_tenant uuid, p_kind text, p_id text, p_over uuid, p_version uuid, p_content text,
  p_expires timestamptz, p_now timestamptz
) returns table (version uuid, content text, expires_at timestamptz)
  language plpgsql
  as $$
begin
  perform set_config('app.tenant', p_tenant::text, true);
  if p_over is null then
    insert into records as r (tenant_id, kind, id, version, content, expires_at)
    values (p_tenant, p_kind, p_id, p_version, p_content, p_expires)
    on conflict on constraint records_pkey do update
      set version = excluded.version, content = excluded.content, expires_at = excluded.expires_at
      where r.expires_at <= p_now;
  else
    update records r set version = p_version, content = p_content, expires_at = p_expires
    where r.tenant_id = p_tenant and r.kind = p_kind and r.id = p_id and r.version = p_over
      and (r.expires_at is null or r.expires_at > p_now);
  end if;
  if found then
    return query select p_version, p_content, p_expires;
  else
    return query select * from get_record(p_tenant, p_kind, p_id, p_now);
  end if;
end $$;

create function delete_record(
  p_tenant uuid, p_kind text, p_id text, p_version uuid, p_now timestamptz
) returns boolean
  language plpgsql
  as $$
begin
  perform set_config('app.tenant', p_tenant::text, true);
  delete from records r
  where r.tenant_id = p_tenant and r.kind = p_kind and r.id = p_id
    and (p_version is null or r.version = p_version)
    and (r.expires_at is null or r.expires_at > p_now);
  return found;
end $$;

-- No id holds a character above ~, so what begins with a prefix ends before the prefix and DEL.
create function list_records(
  p_tenant uuid, p_kind text, p_prefix text, p_after text, p_limit integer, p_now timestamptz
) returns table (id text, version uuid, content text, expires_at timestamptz)
  language plpgsql
  as $$
begin
  perform set_config('app.tenant', p_tenant::text, true);
  return query
    select r.id, r.version, r.content, r.expires_at from records r
    where r.tenant_id = p_tenant and r.kind = p_kind
      and r.id > p_after and r.id >= p_prefix and r.id < p_prefix || chr(127)
      and (r.expires_at is null or r.expires_at > p_now)
    order by r.id limit p_limit;
end $$;

grant execute on function get_record, put_record, delete_record, list_records to cloudflow_app;
