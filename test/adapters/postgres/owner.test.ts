import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createIds } from '#adapters/local/ids.ts';
import { createSilentLog } from '#adapters/local/json-log.ts';
import { createSystemClock } from '#adapters/local/system-clock.ts';
import { createPostgresEventLog } from '#adapters/postgres/event-log.ts';
import { giveLogins } from '#adapters/postgres/logins.ts';
import { migrate } from '#adapters/postgres/migrate.ts';
import { createPartitions, makePartitions } from '#adapters/postgres/partitions.ts';
import { createPlainCodec } from '#adapters/postgres/payload-codec.ts';
import { createPool } from '#adapters/postgres/pool.ts';
import { letGo } from '#adapters/postgres/upkeep.ts';
import { DATABASE_ROLES } from '#config/capabilities.ts';
import { readersOfOutbox } from '#config/consumers.ts';
import type { JsonObject } from '#core/json.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '#local/embedded-postgres.ts';
import { NO_METRICS } from '#ports/metrics.ts';
import { aDefinition, startTestApi } from '#test/support/api.ts';
import { describeWithPostgres, type TestDatabase } from '#test/support/database.ts';
import { TENANT } from '#test/support/platform.ts';

/**
 * On Aurora nobody is superuser: the owner of the schema may make roles and databases, and no more.
 * A server of its own, since roles belong to the server.
 */
describeWithPostgres('an owner who is no superuser, as on Aurora', () => {
  let server: EmbeddedPostgres;
  let folder: string;
  let owner: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cloudflow-owner-'));
    await chmod(folder, 0o755);
    server = await startEmbeddedPostgres({ directory: folder, durability: 'fast' });
    const admin = new pg.Client({ connectionString: server.url });
    await admin.connect();
    await admin.query("create role master login createrole createdb password 'master'");
    await admin.query('create role rds_iam nologin');
    await admin.query('grant rds_iam to master with admin option');
    await admin.query('create database flow owner master');
    await admin.end();
    const url = new URL(server.urlOf('flow'));
    url.username = 'master';
    url.password = 'master';
    owner = url.href;
  });
  afterAll(async () => {
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('brings the schema to the newest, gives the roles their logins, and does both again', async () => {
    expect((await migrate(owner)).length).toBeGreaterThan(10);
    await giveLogins(owner, DATABASE_ROLES);
    expect(await migrate(owner)).toEqual([]);
    await giveLogins(owner, DATABASE_ROLES);
    const client = new pg.Client({ connectionString: owner });
    await client.connect();
    const { rows } = await client.query<{ name: string }>(
      `select rolname as name from pg_roles
       where rolcanlogin and pg_has_role(oid, 'rds_iam', 'member') and rolname like 'cloudflow_%'
       order by 1`,
    );
    await client.end();
    expect(rows.map(({ name }) => name)).toEqual([...DATABASE_ROLES].sort());
  });

  it('leaves the roles able to do their work', async () => {
    const url = server.urlOf('flow');
    const pool = createPool({
      ...{ url, role: 'cloudflow_engine', max: 1, name: 'test', log: createSilentLog() },
    });
    expect(await makePartitions(pool, Date.now() + 400 * 86_400_000)).toBeGreaterThan(0);
    await pool.end();
    const relay = createPool({
      ...{ url, role: 'cloudflow_relay', max: 1, name: 'test', log: createSilentLog() },
    });
    const letGoOf = () =>
      letGo(
        {
          ...{
            relay,
            codec: createPlainCodec(),
            ids: createIds(),
            readers: readersOfOutbox({ kafka: true }),
          },
          ...{ log: createSilentLog(), metrics: NO_METRICS },
        },
        Date.now() + 400 * 86_400_000,
      );
    expect(await letGoOf()).toMatchObject({ purged: { callbacks: 0 }, kept: 0 });
    // Row security holds for this owner too: it sees what nobody has relayed, and keeps it.
    const log = createPostgresEventLog({
      ...{ pool: relay, codec: createPlainCodec(), partitions: createPartitions(relay) },
      ...{ clock: createSystemClock(), log: createSilentLog() },
    });
    await log.append('audit.logs', [{ tenant: TENANT, key: 'k', value: '{}', headers: {} }]);
    await log.close();
    expect(await letGoOf()).toMatchObject({ dropped: 0, kept: 1 });
    await relay.end();
  });

  it('and the API and the engine theirs: keys are found, executions run, labels are searched', async () => {
    const url = server.urlOf('flow');
    const pool: TestDatabase['pool'] = (role, more = {}) =>
      createPool({ url, role, max: 4, name: 'test', log: createSilentLog(), ...more });
    const admin = pool(null);
    const nobodyCalls = () => Promise.reject(new Error('no step of this workflow calls out'));
    const performer = { call: nobodyCalls, compensate: nobodyCalls };
    const api = await startTestApi({ admin, url, pool }, { performer });
    const client = api.client(await api.createKey(await api.createTenant(), ['*']));
    const steps: JsonObject[] = [
      { id: 'greet', type: 'transform', config: { value: 1 } },
      {
        id: 'ask',
        type: 'approval',
        depends_on: ['greet'],
        config: { assignee: 'a@b.test', timeout: '3d' },
      },
    ];
    await client.createWorkflow({ body: aDefinition({ runtime: 'engine', steps }) as never });
    const { execution_id } = await client.executeWorkflow({
      workflow_id: 'greeting',
      body: { labels: { team: 'blue' } },
    });
    const approvals = () => client.listApprovals({});
    await expect.poll(async () => (await approvals()).items.length, { timeout: 20_000 }).toBe(1);
    const [approval] = (await approvals()).items;
    await client.answerApproval({
      approval_id: approval?.id ?? '',
      body: { decision: 'approved' },
    });
    const found = () => client.listExecutions({ query: { label: ['team:blue'] } });
    await expect
      .poll(async () => (await found()).items.map((each) => each.status), { timeout: 20_000 })
      .toEqual(['COMPLETED']);
    expect((await found()).items[0]).toMatchObject({ id: execution_id });
    await api.close();
    await admin.end();
  });
});
