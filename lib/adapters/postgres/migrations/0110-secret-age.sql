-- How old a secret of a tenant is, and whether people were told. A name carries the time when it was made (`s-` and
-- a UUID v7), so values that were stored before this, or are by programs that do not know of it, have an age too.
alter table connection_secrets
  add column set_at timestamptz generated always as (
    case when kept_as ~ '^s-[0-9a-f]{8}-[0-9a-f]{4}-7' then
      to_timestamp(
        ('x' || substr(kept_as, 3, 8) || substr(kept_as, 12, 4))::bit(48)::bigint / 1000.0::double precision)
    end) stored,
  -- What names it, for people: `connection:crm`. Null: it was named before this.
  add column owner text,
  -- 0: nobody was told, 1: that it is due, 2: that it is overdue.
  add column told smallint not null default 0 check (told between 0 and 2);
create index connection_secrets_due on connection_secrets (set_at)
  where unused_since is null and told < 2;
