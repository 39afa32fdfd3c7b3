import { randomUUID } from 'node:crypto';
import { createServer } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createEgressGuard } from '#adapters/http/egress-guard.ts';
import { createSilentLog } from '#adapters/local/json-log.ts';
import { createPostgresDatabases } from '#adapters/postgres-target/databases.ts';
import { readEgressPolicy } from '#config/egress.ts';
import { Secret } from '#core/secret.ts';
import { type DatabaseRequest, type Databases, MARKER_TABLE_SQL } from '#ports/databases.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';

describeWithPostgres('databases of tenants', () => {
  let own: TestDatabase;
  let databases: Databases;
  let base: DatabaseRequest;
  const PASSWORD = `pw-${randomUUID()}`;
  const role = `tenant_${randomUUID().slice(0, 8)}`;
  const reader = `${role}_reader`;

  beforeAll(async () => {
    own = await createTestDatabase();
    const url = new URL(own.url);
    await own.admin.query(`create role ${role} login password '${PASSWORD}'`);
    await own.admin.query(`create role ${reader} login password '${PASSWORD}'`);
    await own.admin.query(`create schema tenant authorization ${role}`);
    await own.admin.query(`grant usage on schema tenant to ${reader}`);
    await own.admin.query(
      `alter role ${role} in database ${url.pathname.slice(1)} set search_path = tenant`,
    );
    await own.admin.query(
      `alter role ${reader} in database ${url.pathname.slice(1)} set search_path = tenant`,
    );
    const guard = createEgressGuard({
      policy: readEgressPolicy({ EGRESS_ALLOW: `127.0.0.1:${url.port}` }),
      resolver: { resolve: () => Promise.reject(new Error('no names here')) },
    });
    databases = createPostgresDatabases({ guard, log: createSilentLog(), cancelGraceMs: 200 });
    base = {
      tenant: 'acme',
      mode: 'live',
      connection: 'crm',
      revision: 1,
      spec: {
        type: 'postgres',
        host: '127.0.0.1',
        port: Number(url.port),
        database: url.pathname.slice(1),
        login: { username: role, secret: 'pw' },
        tls: 'disable',
        max_connections: 3,
      },
      login: { username: role, password: new Secret(PASSWORD) },
      access: 'write',
      text: 'select 1',
      values: [],
      key: 'root/step',
      maxRows: 100,
      maxBytes: 1_048_576,
      signal: new AbortController().signal,
    };
    const made = async (text: string) => {
      const answer = await databases.run({ ...base, text, access: 'write' });
      if (!answer.ok) throw new Error(answer.message);
    };
    await made(
      'create table accounts (id int primary key, name text check (name <> $$bad$$), n int)',
    );
    await made(`grant select on all tables in schema tenant to ${reader}`);
    await made(`create function spin() returns int language plpgsql as $$
      begin loop
        begin perform pg_sleep(0.05); exception when query_canceled then null; end;
      end loop; end $$`);
  });

  afterAll(async () => {
    await databases.close();
    await own.admin.query(`drop owned by ${role} cascade`);
    await own.admin.query(`drop owned by ${reader} cascade`);
    await own.admin.query(`drop role ${role}`);
    await own.admin.query(`drop role ${reader}`);
  });

  const run = (change: Partial<DatabaseRequest>) =>
    databases.run({ ...base, signal: AbortSignal.timeout(20_000), ...change });
  const backends = async () =>
    Number(
      (
        await own.admin.query(
          "select count(*) as n from pg_stat_activity where usename in ($1, $2) and state = 'active'",
          [role, reader],
        )
      ).rows[0].n,
    );

  it('refuses a column that no result may have', async () => {
    for (const text of [
      'select 1 as "__proto__"',
      `select '{"admin":true}'::json as "__proto__", 2 as b`,
      'select 1 as "__proto__" where false',
    ]) {
      expect(await run({ access: 'read', text })).toEqual({
        ok: false,
        reason: 'invalid',
        message: "a column is named '__proto__'",
      });
    }
  });

  it('answers rows as JSON, each type in one form', async () => {
    const answer = await run({
      access: 'read',
      text: `select 1::int as i, 9007199254740993::bigint as big, 12::bigint as small, 1.10::numeric as num,
        'NaN'::float8 as nan, 1.5::float8 as f, true as yes, null::text as nothing, 'é' as text,
        '{"a":[1,{"b":null}]}'::jsonb as doc, array[1,null,3] as ints, array['a','b,"c'] as texts,
        '2026-01-31T12:00:00.123456+02'::timestamptz as at, '2026-01-31 12:00'::timestamp as local,
        '2026-01-31'::date as day, '\\x00ff'::bytea as bytes, '00000000-0000-7000-8000-000000000001'::uuid as id`,
    });
    expect(answer).toEqual({
      ok: true,
      replayed: false,
      result: {
        row_count: 1,
        rows: [
          {
            i: 1,
            big: '9007199254740993',
            small: 12,
            num: '1.10',
            nan: 'NaN',
            f: 1.5,
            yes: true,
            nothing: null,
            text: 'é',
            doc: { a: [1, { b: null }] },
            ints: [1, null, 3],
            texts: ['a', 'b,"c'],
            at: '2026-01-31T10:00:00.123456Z',
            local: '2026-01-31T12:00:00',
            day: '2026-01-31',
            bytes: '\\x00ff',
            id: '00000000-0000-7000-8000-000000000001',
          },
        ],
      },
    });
  });

  it('takes values apart from the text, arrays and documents too', async () => {
    const hostile = "'); drop table accounts; --";
    const answer = await run({
      access: 'read',
      text: 'select $1::text as a, cardinality($2::text[]) as n, $3::jsonb as doc, $4::int as nothing',
      values: [hostile, [hostile, null, 'x'], '{"k":[1]}', null],
    });
    expect(answer.ok && answer.result.rows).toEqual([
      { a: hostile, n: 3, doc: { k: [1] }, nothing: null },
    ]);
  });

  it('counts rows where a statement returns none', async () => {
    const answer = await run({ text: "insert into accounts values (1, 'one'), (2, 'two')" });
    expect(answer).toEqual({ ok: true, replayed: false, result: { row_count: 2 } });
    const back = await run({ text: 'update accounts set n = 1 where id = 1 returning id' });
    expect(back.ok && back.result).toEqual({ rows: [{ id: 1 }], row_count: 1 });
  });

  it.each([
    ['select 1; select 2', 'write', 'invalid'],
    ["insert into accounts values (9, 'x')", 'read', 'denied'],
    ['insert into accounts values (1)', 'write', 'constraint'],
    ["insert into accounts values (3, 'bad')", 'write', 'constraint'],
    ['select * from pg_authid', 'write', 'denied'],
    ['select nothing_there', 'write', 'invalid'],
    ["select 'canary-55'::int", 'write', 'invalid'],
    ["do $$ begin raise exception using errcode = '40001'; end $$", 'write', 'serialization'],
    ["do $$ begin raise exception using errcode = '53300'; end $$", 'write', 'unavailable'],
  ] as const)('%s (%s): %s', async (text, access, reason) => {
    const answer = await run({ text, access });
    expect(answer.ok ? 'done' : answer.reason).toBe(reason);
    expect(JSON.stringify(answer)).not.toContain('canary-55');
    expect((await run({ text: 'select 1 as good' })).ok).toBe(true);
  });

  it('reads by the grants of its reader', async () => {
    const login = { username: reader, password: new Secret(PASSWORD) };
    const text = "select set_config('transaction_read_only', 'off', true)";
    expect((await run({ access: 'read', login, text })).ok).toBe(false);
    const write = await run({ access: 'write', login, text: 'delete from accounts' });
    expect(!write.ok && write.reason).toBe('denied');
  });

  it('undoes a statement that returns too many rows, or too many bytes in one', async () => {
    const rows = await run({
      text: "insert into accounts select g, 'row' from generate_series(1000, 9000) g returning id",
    });
    expect(!rows.ok && rows.reason).toBe('too_large');
    const bytes = await run({
      text: "with w as (insert into accounts values (999, 'x') returning 1) select repeat('x', 200000000) as big from w",
    });
    expect(!bytes.ok && bytes.reason).toBe('too_large');
    const left = await run({
      access: 'read',
      text: 'select count(*)::int as n from accounts where id >= 999',
    });
    expect(left.ok && left.result.rows).toEqual([{ n: 0 }]);
  });

  it('never assembles a row that is larger than the result may be', async () => {
    const before = process.memoryUsage.rss();
    const text = "select repeat('x', 300000000) as big";
    const answer = await run({ access: 'read', text });
    expect(!answer.ok && answer.reason).toBe('too_large');
    expect(process.memoryUsage.rss() - before).toBeLessThan(64 * 1024 * 1024);
  });

  it('cancels a statement from outside when its time is up, whatever the statement has set', async () => {
    const started = performance.now();
    const answer = await run({
      text: "select set_config('statement_timeout', '0', false), pg_sleep(30)",
      signal: AbortSignal.timeout(300),
    });
    expect(!answer.ok && answer.reason).toBe('aborted');
    expect(performance.now() - started).toBeLessThan(3_000);
    await expect.poll(backends, { timeout: 2_000 }).toBe(0);
  });

  it('terminates a backend that ignores being cancelled', async () => {
    const answer = await run({ text: 'select spin()', signal: AbortSignal.timeout(300) });
    expect(!answer.ok && answer.reason).toBe('aborted');
    await expect.poll(backends, { timeout: 2_000 }).toBe(0);
  });

  it('rolls back what a cancelled write did', async () => {
    const answer = await run({
      text: "with w as (insert into accounts values (777, 'late') returning 1) select pg_sleep(30) from w",
      signal: AbortSignal.timeout(200),
    });
    expect(answer.ok).toBe(false);
    const left = await run({
      access: 'read',
      text: 'select count(*)::int as n from accounts where id = 777',
    });
    expect(left.ok && left.result.rows).toEqual([{ n: 0 }]);
  });

  it('waits for a free session no longer than its time', async () => {
    const long = Array.from({ length: 3 }, () =>
      run({ access: 'read', text: 'select pg_sleep(1)', signal: AbortSignal.timeout(5_000) }),
    );
    const late = await run({ access: 'read', text: 'select 1', signal: AbortSignal.timeout(200) });
    expect(!late.ok && late.reason).toBe('aborted');
    expect((await Promise.all(long)).every((each) => each.ok)).toBe(true);
    expect((await run({ access: 'read', text: 'select 1' })).ok).toBe(true);
  });

  it('says that a login is not accepted, without its secret', async () => {
    const answer = await run({ login: { username: role, password: new Secret('canary-77') } });
    expect(!answer.ok && answer.reason).toBe('login');
    expect(JSON.stringify(answer)).not.toContain('canary-77');
  });

  it.each(['10.0.0.1', '169.254.169.254', '::1', '127.0.0.2', '::ffff:127.0.0.1'])(
    'never connects to %s',
    async (host) => {
      const answer = await run({ spec: { ...base.spec, host } });
      expect(answer).toMatchObject({ ok: false, reason: 'refused' });
    },
  );

  it('insists on tls unless it is disabled', async () => {
    const { tls: _none, ...spec } = base.spec;
    const answer = await run({ spec, revision: 2 });
    expect(!answer.ok && answer.reason).toBe('unavailable');
  });

  it('is unavailable where nobody listens', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.on('listening', resolve));
    const { port } = server.address() as { port: number };
    await new Promise((resolve) => server.close(resolve));
    const guard = createEgressGuard({
      policy: readEgressPolicy({ EGRESS_ALLOW: `127.0.0.1:${port}` }),
      resolver: { resolve: () => Promise.resolve([]) },
    });
    const other = createPostgresDatabases({ guard, log: createSilentLog() });
    const answer = await other.run({
      ...base,
      spec: { ...base.spec, port },
      signal: AbortSignal.timeout(20_000),
    });
    expect(!answer.ok && answer.reason).toBe('unavailable');
    await other.close();
  });

  it('without a marker table runs a repeated write again', async () => {
    const insert = {
      text: 'insert into accounts values ($1, $$once$$) on conflict do nothing',
      values: ['50'],
      key: 'r/none',
    };
    expect((await run(insert)).ok).toBe(true);
    expect(await run(insert)).toMatchObject({
      ok: true,
      replayed: false,
      result: { row_count: 0 },
    });
  });

  it('with a marker table a write happens once per key, and a repeat answers the recorded result', async () => {
    expect((await run({ text: MARKER_TABLE_SQL, access: 'write' })).ok).toBe(true);
    await run({ text: 'create table effects (at int)' });
    const effect = {
      text: 'insert into effects values (1) returning at, $1::jsonb as doc',
      values: ['{"b":1,"a":[2.5]}'],
      key: 'root/effect',
    };
    const first = await run(effect);
    const again = await Promise.all(Array.from({ length: 20 }, () => run(effect)));
    expect(first).toMatchObject({ ok: true, replayed: false });
    for (const each of again) expect(each).toEqual({ ...first, replayed: true });
    const other = await run({ ...effect, key: 'root/effect[1]' });
    expect(other).toMatchObject({ ok: true, replayed: false });
    const count = await run({ access: 'read', text: 'select count(*)::int as n from effects' });
    expect(count.ok && count.result.rows).toEqual([{ n: 2 }]);
  });

  it('concurrent first attempts of one key have one effect', async () => {
    const answers = await Promise.all(
      Array.from({ length: 12 }, () =>
        run({ text: 'insert into effects values (2)', key: 'root/race' }),
      ),
    );
    expect(answers.filter((each) => each.ok && !each.replayed)).toHaveLength(1);
    expect(answers.every((each) => each.ok)).toBe(true);
    const count = await run({
      access: 'read',
      text: 'select count(*)::int as n from effects where at = 2',
    });
    expect(count.ok && count.result.rows).toEqual([{ n: 1 }]);
  });

  it('a failed or cut write leaves no marker, so it may be tried again', async () => {
    const key = 'root/again';
    expect((await run({ text: 'insert into accounts values (1)', key })).ok).toBe(false);
    const cut = await run({ text: 'select pg_sleep(10)', key, signal: AbortSignal.timeout(200) });
    expect(cut.ok).toBe(false);
    expect(await run({ text: 'insert into effects values (3)', key })).toMatchObject({
      ok: true,
      replayed: false,
    });
  });

  it('an answer lost after the commit is found by the next attempt', async () => {
    const key = 'root/lost';
    // The session dies after the effect and its marker are durable: what the next attempt meets.
    await own.admin.query('insert into tenant.cloudflow_markers (key, result) values ($1, $2)', [
      key,
      '{"row_count": 7}',
    ]);
    expect(await run({ text: 'insert into effects values (4)', key })).toEqual({
      ok: true,
      replayed: true,
      result: { row_count: 7 },
    });
  });
});
