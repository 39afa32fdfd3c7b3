import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Pool } from 'pg';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { openFileSecrets } from '#adapters/local/file-secrets.ts';
import { createIds } from '#adapters/local/ids.ts';
import { collectSecrets, SECRET_KEPT_MS } from '#adapters/postgres/collect-secrets.ts';
import { createPostgresConnections } from '#adapters/postgres/connection-store.ts';
import { tellOldSecrets } from '#adapters/postgres/old-secrets.ts';
import { createPartitions } from '#adapters/postgres/partitions.ts';
import { createPlainCodec } from '#adapters/postgres/payload-codec.ts';
import type { Client } from '#client/client.ts';
import { keptAs, secretNamesOf } from '#core/connections.ts';
import { parseEvent } from '#core/events/parse.ts';
import { Secret } from '#core/secret.ts';
import type { Connections } from '#ports/connections.ts';
import type { Secrets } from '#ports/secrets.ts';
import { startTestApi, type TestApi } from '#test/support/api.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';

const DAY_MS = 86_400_000;
const CRM = {
  type: 'http',
  base_url: 'https://crm.example',
  auth: { scheme: 'bearer', secret: 'token' },
} as const;
const NO_AUTH = { ...CRM, auth: { scheme: 'none' } } as const;

/** Over HTTP, with secrets in the files that the local stack keeps them in. */
describeWithPostgres('secrets of connections', () => {
  let database: TestDatabase;
  let folder: string;
  let files: Secrets;
  let api: TestApi;
  let relay: Pool;
  let connections: Connections;
  let tenant: string;
  let client: Client;
  /** How many values may still be stored: the process that stores one more is lost. */
  let putsLeft: number;
  let deletesFail: boolean;

  beforeAll(async () => {
    database = await createTestDatabase();
    relay = database.pool('cloudflow_relay');
    connections = createPostgresConnections(database.pool('cloudflow_app'));
    folder = await mkdtemp(join(tmpdir(), 'cloudflow-secrets-'));
    files = await openFileSecrets(folder);
    const secrets: Secrets = {
      ...files,
      put: async (key, value) => {
        if (putsLeft-- <= 0) throw new Error('lost');
        await files.put(key, value);
      },
    };
    api = await startTestApi(database, { secrets });
  });
  beforeEach(async () => {
    putsLeft = Number.POSITIVE_INFINITY;
    deletesFail = false;
    tenant = await api.createTenant();
    client = api.client(await api.createKey(tenant, ['*']));
  });
  afterAll(async () => {
    await api?.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** What a step would send, in the order that the connection names them. */
  async function inForce(name: string): Promise<readonly (string | undefined)[]> {
    const found = await connections.find(tenant, 'live', name);
    if (found === null) throw new Error(`there is no connection '${name}'`);
    const values = secretNamesOf(found.spec).map(async (secret) => {
      const key = { tenant, mode: 'live', name: keptAs(found.secrets, secret) } as const;
      return (await files.get(key))?.reveal();
    });
    return await Promise.all(values);
  }

  /** Values in the store, of all tenants of this file. */
  const stored = async () => (await readdir(folder)).filter((name) => name !== 'key').length;

  const collect = (after: number) =>
    collectSecrets(
      {
        pool: relay,
        ids: createIds(),
        secrets: {
          delete: (key) => (deletesFail ? Promise.reject(new Error('away')) : files.delete(key)),
        },
      },
      api.clock.now() + after,
    );

  const tellOld = (now: number) =>
    tellOldSecrets(
      {
        pool: relay,
        ids: createIds(),
        codec: createPlainCodec(),
        partitions: createPartitions(relay),
      },
      now,
    );

  /** What events said to this tenant: of what, and whether it is overdue. */
  async function toldOf(): Promise<readonly (readonly unknown[])[]> {
    const { rows } = await database.admin.query<{ payload: string }>(
      `select payload from outbox where tenant_id = $1 and payload like '%secret.turn_due%' order by id`,
      [tenant],
    );
    return rows.map(({ payload }) => {
      const parsed = parseEvent(payload.slice(payload.indexOf(':') + 1));
      if (parsed.kind !== 'event' || parsed.event.event_type !== 'secret.turn_due')
        return [payload];
      return [parsed.event.payload.of, parsed.event.payload.overdue];
    });
  }

  const create = (name: string, token: string) =>
    client.send('createConnection', { body: { name, connection: CRM, secrets: { token } } });

  async function codeOf(call: Promise<unknown>): Promise<string> {
    return await call.then(
      () => 'done',
      (error: unknown) => String((error as { readonly code?: unknown }).code ?? error),
    );
  }

  it('go in and never come out', async () => {
    const created = await create('crm', 'canary-7f3a');
    expect(created.body.secret_names).toEqual(['token']);
    const answers = [
      created,
      await client.send('getConnection', { connection: 'crm' }),
      await client.send('listConnections'),
    ];
    expect(JSON.stringify(answers)).not.toContain('canary-7f3a');
    expect(await inForce('crm')).toEqual(['canary-7f3a']);
    const { rows } = await database.admin.query('select connections::text as row from connections');
    expect(JSON.stringify(rows)).not.toContain('canary-7f3a');
  });

  it('are not shared by connections that call them alike', async () => {
    await create('crm', 'of crm');
    await create('erp', 'of erp');
    expect([await inForce('crm'), await inForce('erp')]).toEqual([['of crm'], ['of erp']]);
    const update = { connection: CRM, secrets: { token: 'new of erp' } };
    await client.updateConnection({ connection: 'erp', body: update, ifMatch: '*' });
    expect([await inForce('crm'), await inForce('erp')]).toEqual([['of crm'], ['new of erp']]);
  });

  it('of rivals that make the same connection, one made it and its value is in force', async () => {
    const values = Array.from({ length: 12 }, (_, n) => `of ${n}`);
    const codes = await Promise.all(values.map((value) => codeOf(create('crm', value))));
    expect(codes.filter((code) => code === 'done')).toHaveLength(1);
    expect(codes.filter((code) => code === 'CONFLICT')).toHaveLength(11);
    expect(await inForce('crm')).toEqual([values[codes.indexOf('done')]]);
  });

  it('of rivals that change it, one changed it and its value is in force', async () => {
    const { etag } = await create('crm', 'first');
    const values = Array.from({ length: 12 }, (_, n) => `of ${n}`);
    const codes = await Promise.all(
      values.map((token) =>
        codeOf(
          client.updateConnection({
            connection: 'crm',
            body: { connection: CRM, secrets: { token } },
            ifMatch: etag ?? '',
          }),
        ),
      ),
    );
    expect(codes.filter((code) => code === 'done')).toHaveLength(1);
    expect(codes.filter((code) => code === 'PRECONDITION_FAILED')).toHaveLength(11);
    expect(await inForce('crm')).toEqual([values[codes.indexOf('done')]]);
  });

  it('a change keeps those that are not given, and needs the current ETag', async () => {
    const { etag } = await create('crm', 'first');
    const changed = { ...CRM, base_url: `${CRM.base_url}/v2` };
    const change = { connection: 'crm', body: { connection: changed }, ifMatch: etag ?? '' };
    const updated = await client.send('updateConnection', change);
    expect(updated.body.connection).toEqual(changed);
    expect(await inForce('crm')).toEqual(['first']);
    expect(await codeOf(client.updateConnection(change))).toBe('PRECONDITION_FAILED');
  });

  it('are not sent elsewhere by a change: a connection that leads elsewhere brings its own', async () => {
    await create('crm', 'first');
    const base = new URL(CRM.base_url);
    for (const base_url of [
      'https://evil.example',
      `http://${base.host}`,
      `https://${base.hostname}:8443`,
      `https://${base.hostname}.evil.example`,
    ]) {
      const body = { connection: { ...CRM, base_url } };
      const change = client.updateConnection({ connection: 'crm', body, ifMatch: '*' });
      await expect(change, base_url).rejects.toMatchObject({
        code: 'CONNECTION_INVALID',
        problems: [{ message: expect.stringContaining('leads elsewhere') as string }],
      });
    }
    const body = {
      connection: { ...CRM, base_url: 'https://crm2.example' },
      secrets: { token: 'second' },
    };
    await client.updateConnection({ connection: 'crm', body, ifMatch: '*' });
    expect(await inForce('crm')).toEqual(['second']);
  });

  it('are gone with the connection: the next one of its name brings its own', async () => {
    await create('crm', 'first');
    await client.deleteConnection({ connection: 'crm' });
    const body = { name: 'crm', connection: CRM };
    expect(await codeOf(client.createConnection({ body }))).toBe('CONNECTION_INVALID');
    await create('crm', 'second');
    expect(await inForce('crm')).toEqual(['second']);
  });

  it('one that is not named any more is not there when it is named again', async () => {
    await create('crm', 'first');
    const put = (connection: typeof CRM | typeof NO_AUTH) =>
      codeOf(client.updateConnection({ connection: 'crm', body: { connection }, ifMatch: '*' }));
    expect([await put(NO_AUTH), await put(CRM)]).toEqual(['done', 'CONNECTION_INVALID']);
  });

  it('a refused connection stores none of its values', async () => {
    const before = await stored();
    const refused = { name: 'crm', connection: CRM, secrets: { token: 'x', other: 'y' } };
    expect(await codeOf(client.createConnection({ body: refused }))).toBe('CONNECTION_INVALID');
    expect(await stored()).toBe(before);
  });

  it('what no connection names is deleted an hour later, and what one names stays', async () => {
    await collect(2 * SECRET_KEPT_MS);
    const before = await stored();
    await create('kept', 'kept');
    const { etag } = await create('crm', 'replaced');
    const body = { connection: CRM, secrets: { token: 'in force' } };
    await client.updateConnection({ connection: 'crm', body, ifMatch: etag ?? '' });
    expect(await codeOf(create('kept', 'of a loser'))).toBe('CONFLICT');
    await create('gone', 'gone');
    await client.deleteConnection({ connection: 'gone' });

    expect(await collect(SECRET_KEPT_MS - 60_000)).toBe(0);
    expect(await collect(SECRET_KEPT_MS)).toBe(2);
    const { rows: told } = await database.admin.query<{ what: string }>(
      `select concat_ws(' ', entry::json -> 'facts' ->> 'actor', entry::json -> 'facts' ->> 'operation')
         as what
       from audit_inbox where tenant_id = $1 and entry::json -> 'facts' ->> 'actor' = 'platform'`,
      [tenant],
    );
    expect(told.length).toBeGreaterThanOrEqual(2);
    expect(new Set(told.map(({ what }) => what))).toEqual(
      new Set(['platform deleteConnectionSecret']),
    );
    expect(await stored()).toBe(before + 2);
    expect([await inForce('kept'), await inForce('crm')]).toEqual([['kept'], ['in force']]);
    expect(await collect(100 * SECRET_KEPT_MS)).toBe(0);
  });

  it('says how old a secret is, and tells of one when it is due, when it is overdue, and never again', async () => {
    const { body: made } = await create('crm', 'old');
    const [age] = made.secrets;
    const setAt = Date.parse(age?.set_at ?? '');
    expect(age?.name).toBe('token');
    expect(Date.parse(age?.turn_by ?? '') - setAt).toBe(90 * DAY_MS);
    const due = ['connection:crm', false];
    const overdue = ['connection:crm', true];
    for (const [afterDays, told] of [
      [79.9, []],
      [80, [due]],
      [89, [due]],
      [91, [due, overdue]],
      [500, [due, overdue]],
    ] as const) {
      await tellOld(setAt + afterDays * DAY_MS);
      expect([afterDays, await toldOf()]).toEqual([afterDays, told]);
    }
    // One that is set anew is told of anew.
    const body = { connection: CRM, secrets: { token: 'new' } };
    await client.updateConnection({ connection: 'crm', body, ifMatch: '*' });
    await tellOld(Date.now() + 81 * DAY_MS);
    expect(await toldOf()).toEqual([due, overdue, due]);
  });

  it('a secret that is told of by many at once is told of once; its value is in nothing that is told', async () => {
    await create('crm', 'canary-secret');
    const later = Date.now() + 85 * DAY_MS;
    await Promise.all(Array.from({ length: 4 }, () => tellOld(later)));
    expect(await toldOf()).toEqual([['connection:crm', false]]);
    const { rows } = await database.admin.query<{ entry: string }>(
      `select entry::text from audit_inbox where tenant_id = $1 and entry::text like '%noticeOldSecret%'`,
      [tenant],
    );
    expect(rows).toHaveLength(1);
    expect(rows[0]?.entry).not.toContain('canary-secret');
  });

  it('values of a request that was lost before its connection was stored are found and deleted', async () => {
    await collect(2 * SECRET_KEPT_MS);
    const before = await stored();
    putsLeft = 1;
    const database = {
      type: 'postgres',
      host: 'db.example.com',
      database: 'shop',
      login: { username: 'u', secret: 'writer' },
      reader: { username: 'r', secret: 'reader' },
    } as const;
    const body = { name: 'db', connection: database, secrets: { writer: 'a', reader: 'b' } };
    expect(await codeOf(client.createConnection({ body }))).toBe('INTERNAL');
    expect(await codeOf(client.getConnection({ connection: 'db' }))).toBe('NOT_FOUND');
    expect(await stored()).toBe(before + 1);
    expect(await collect(SECRET_KEPT_MS)).toBe(2);
    expect(await stored()).toBe(before);
  });

  it('what could not be deleted is deleted the next time', async () => {
    await collect(2 * SECRET_KEPT_MS);
    const before = await stored();
    await create('crm', 'first');
    await client.deleteConnection({ connection: 'crm' });
    deletesFail = true;
    await expect(collect(SECRET_KEPT_MS)).rejects.toThrow('1 of 1 secrets could not be deleted');
    expect(await stored()).toBe(before + 1);
    deletesFail = false;
    expect(await collect(SECRET_KEPT_MS)).toBe(1);
    expect(await stored()).toBe(before);
  });

  it('a connection never comes to name a value that is being deleted', async () => {
    const store = createPostgresConnections(database.pool('cloudflow_app'));
    const now = api.clock.now();
    await store.announceSecrets({ tenant, mode: 'live' }, ['s-late'], now);
    deletesFail = true;
    await expect(collect(SECRET_KEPT_MS)).rejects.toThrow('could not be deleted');
    const key = { tenant, mode: 'live', name: 'crm' } as const;
    const id = '01900000-0000-7000-8000-000000000000';
    const late = store.create(key, { id, spec: CRM, secrets: { token: 's-late' } }, now);
    await expect(late).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(await store.find(tenant, 'live', 'crm')).toBeNull();
  });

  it('a connection of before this rule works on, and its next change gives it its own', async () => {
    await files.put({ tenant, mode: 'live', name: 'token' }, new Secret('of before'));
    await database.admin.query(
      `insert into connections (tenant_id, mode, name, revision, spec, created_at, updated_at)
       values ($1, 'live', 'crm', 1, $2, now(), now())`,
      [tenant, JSON.stringify(CRM)],
    );
    expect(await inForce('crm')).toEqual(['of before']);
    const longer = { connection: { ...CRM, base_url: `${CRM.base_url}/v2` } };
    await client.updateConnection({ connection: 'crm', body: longer, ifMatch: '*' });
    expect(await inForce('crm')).toEqual(['of before']);
    const body = { connection: CRM, secrets: { token: 'its own' } };
    await client.updateConnection({ connection: 'crm', body, ifMatch: '*' });
    expect(await inForce('crm')).toEqual(['its own']);
    expect((await files.get({ tenant, mode: 'live', name: 'token' }))?.reveal()).toBe('of before');
    // And a new one does not find what another of that time has.
    const other = { name: 'erp', connection: CRM };
    expect(await codeOf(client.createConnection({ body: other }))).toBe('CONNECTION_INVALID');
  });
});
