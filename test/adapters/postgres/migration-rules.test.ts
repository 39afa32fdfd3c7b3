import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readMigrations } from '#adapters/postgres/migrate.ts';
import { breachesOf, contracts } from './migration-rules.ts';

const released = JSON.parse(
  readFileSync(new URL('released/statements.json', import.meta.url), 'utf8'),
) as { readonly migration: string; readonly before: readonly string[] };

describe('migrations that programs of two versions run under', () => {
  it('change nothing in one step that the version before needs, from the first release on', async () => {
    const migrations = await readMigrations();
    const order = migrations.map(({ name }) => name);
    const last = order.indexOf(released.migration);
    expect(last).toBeGreaterThanOrEqual(0);
    for (const { name, sql } of migrations) {
      // What databases of a release have applied cannot be changed any more.
      if (released.before.includes(name)) continue;
      const made = contracts(sql);
      if (made !== null) {
        const since = order.indexOf(made);
        expect(since, `${name} contracts ${made}, which is no earlier migration`).toBeGreaterThan(
          -1,
        );
        expect(since, `${made} is not in a release yet, so ${name} must wait`).toBeLessThanOrEqual(
          last,
        );
        continue;
      }
      expect(breachesOf(sql), name).toEqual([]);
    }
  });

  it.each([
    'drop table users;',
    'DROP FUNCTION find_api_key(text);',
    'alter table users drop column email;',
    'alter table users drop email;',
    'alter table users rename column email to address;',
    'alter table users rename to people;',
    'alter table users alter column email type bytea;',
    'alter table users alter email set data type bytea;',
    'alter table users alter column email set not null;',
    'alter table users add column age integer not null;',
    'alter table users add age integer not null, add b integer default 1;',
    'alter table users add constraint grown check (age > 17);',
    'create unique index users_by_age on users (age);',
    'revoke select on users from cloudflow_app;',
    "comment on table users is 'a;b'; drop view people;",
    'alter table users\n  add column age integer,\n  drop column email;',
  ])('%s is refused', (sql) => {
    expect(breachesOf(sql)).toHaveLength(1);
  });

  it.each([
    'alter table users add column age integer;',
    'alter table users add column age integer not null default 0;',
    'alter table users add age integer default 0 not null, add b integer;',
    'create table people (id uuid primary key); create unique index by_id on people (id);',
    'create table people (id uuid); alter table people add constraint x check (true);',
    'alter table users drop constraint grown, alter column age drop not null;',
    'create or replace function f() returns text language plpgsql as $$ begin drop table t; end $$;',
    'revoke execute on function f from public;',
    '-- drop table users;\ncreate index by_age on users (age);',
  ])('%s is good in one step', (sql) => {
    expect(breachesOf(sql)).toEqual([]);
  });

  it('one that contracts says what made it possible, and why', () => {
    expect(contracts('-- contracts 0043-fall-back.sql: nobody calls it\ndrop table a;')).toBe(
      '0043-fall-back.sql',
    );
    expect(contracts('-- contracts 0043-fall-back.sql:\ndrop table a;')).toBeNull();
    expect(contracts('drop table a;')).toBeNull();
  });
});
