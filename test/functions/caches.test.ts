import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { createIds } from '#adapters/local/ids.ts';
import { createSilentLog } from '#adapters/local/json-log.ts';
import { createSystemClock } from '#adapters/local/system-clock.ts';
import { createLocalMetrics, type LocalMetrics } from '#adapters/metrics/local-metrics.ts';
import { createPostgresEventLog } from '#adapters/postgres/event-log.ts';
import { createPartitions } from '#adapters/postgres/partitions.ts';
import { createPlainCodec } from '#adapters/postgres/payload-codec.ts';
import { createPostgresWorkflowStore } from '#adapters/postgres/workflow-store.ts';
import { CONSUMERS } from '#config/consumers.ts';
import { type OpenedCache, openCache } from '#functions/shared/cache.ts';
import { createConsumers, NO_MAIL } from '#functions/shared/consumers.ts';
import { NO_METRICS } from '#ports/metrics.ts';
import { NO_TRACER } from '#ports/tracer.ts';
import { oneKey } from '#services/shared/key-ring.ts';
import { aDefinition, startTestApi, type TestApi } from '#test/support/api.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import {
  describeWithRedis,
  type RedisServer,
  startRedis,
  startRedisCluster,
} from '#test/support/redis-server.ts';

/** Long enough for a machine that neighbours keep busy, short enough that a silent cache shows. */
const ANSWER_MS = 250;
const SEAL_KEY = oneKey(randomBytes(32));
const CHANGING =
  /"(?:[a-z_]+_at|at|id|execution_id|request_id|created_by|by|instance)":(?:"[^"]*"|null)/g;

interface Process {
  readonly api: TestApi;
  readonly opened: OpenedCache;
  readonly metrics: LocalMetrics;
}

/** One process of the API over a cache; `url` null: there is none. */
async function startProcess(
  database: TestDatabase,
  url: string | null,
  cluster = false,
): Promise<Process> {
  const metrics = createLocalMetrics();
  const opened = openCache(
    {
      name: 'test',
      clock: createSystemClock(),
      log: createSilentLog(),
      metrics,
      answerMs: ANSWER_MS,
      cluster,
    },
    { STAGE: 'dev', CACHE_URL: url ?? '', CACHE_AUTH: 'url' },
    SEAL_KEY,
  );
  const api = await startTestApi(database, {
    metrics,
    cache: opened.cache,
    rateLimiter: opened.rateLimiter,
    readerUrl: database.url,
  });
  if (url !== null) await opened.connected();
  return { api, opened, metrics };
}

const counted = ({ metrics }: Process, metric: string, of = ''): number =>
  [...metrics.text().matchAll(new RegExp(`^\\S*${metric}\\S*${of}\\S* (\\d+)$`, 'gm'))].reduce(
    (sum, [, value]) => sum + Number(value),
    0,
  );

/**
 * Everything that callers may ask of a workflow, in an order in which each answer depends on those before,
 * and everything that is refused; answers without what is another each time.
 */
async function transcript(
  process: Process,
  between: () => Promise<unknown> = () => Promise.resolve(),
): Promise<readonly string[]> {
  const { api } = process;
  const [tenant, other] = [await api.createTenant(), await api.createTenant()];
  const keys = {
    all: await api.createKey(tenant, ['*']),
    narrow: await api.createKey(tenant, ['execution:read']),
    one: await api.createKey(tenant, ['*'], { workflows: ['another'] }),
    stranger: await api.createKey(other, ['*']),
    test: await api.createKey(tenant, ['*'], { mode: 'test' }),
    revoked: await api.createKey(tenant, ['*']),
    none: 'cfk_live_nobody',
  };
  await api.apiKeys.revoke(tenant, keys.revoked.slice('cfk_live_'.length).slice(0, 8), Date.now());
  const told: string[] = [];
  const ask = async (key: keyof typeof keys, method: string, path: string, body?: object) => {
    await between();
    const response = await fetch(`${api.server.url}/api/v1${path}`, {
      method,
      headers: {
        authorization: `Bearer ${keys[key]}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = (await response.text()).replace(CHANGING, '').replace(/[0-9a-f-]{36}/g, 'ID');
    told.push(`${key} ${method} ${path} ${response.status} ${text}`);
  };
  const definition = (version: string) => aDefinition({ workflow_id: 'order', version });
  await ask('all', 'GET', '/workflows/order');
  await ask('all', 'POST', '/workflows', definition('1.0.0'));
  for (const key of Object.keys(keys) as (keyof typeof keys)[]) {
    await ask(key, 'GET', '/workflows/order');
    await ask(key, 'GET', '/workflows/order/versions');
    await ask(key, 'GET', '/workflows/order/versions/1.0.0');
    await ask(key, 'GET', '/workflows/order/versions/2.0.0');
    await ask(key, 'POST', '/workflows/order/execute', {});
  }
  await ask('all', 'POST', '/workflows', definition('2.0.0'));
  await ask('all', 'GET', '/workflows/order');
  await ask('all', 'GET', '/workflows/order/versions');
  await ask('all', 'GET', '/workflows/order/versions/2.0.0');
  await ask('all', 'POST', '/workflows/order/execute', {});
  await ask('all', 'POST', '/workflows/order/execute', { version: '1.0.0' });
  await ask('all', 'GET', '/workflows/order/history');
  await ask('all', 'POST', '/workflows/order/pause', { reason: 'a test' });
  await ask('all', 'GET', '/workflows/order');
  await ask('all', 'POST', '/workflows/order/resume');
  await ask('all', 'DELETE', '/workflows/order');
  for (const key of ['all', 'stranger', 'revoked'] as const) {
    await ask(key, 'GET', '/workflows/order');
    await ask(key, 'GET', '/workflows/order/versions');
    await ask(key, 'GET', '/workflows/order/versions/1.0.0');
    await ask(key, 'POST', '/workflows/order/execute', {});
  }
  await ask('all', 'POST', '/workflows', definition('3.0.0'));
  await ask('all', 'GET', '/workflows/order');
  await ask('all', 'GET', '/workflows/order/versions');
  await ask('all', 'GET', '/workflows/order/versions/1.0.0');
  return told;
}

const WHERE = {
  'one server': { start: async () => [await startRedis()], cluster: false },
  'a cluster': { start: () => startRedisCluster(), cluster: true },
} as const;

describeWithPostgres('the API over what is kept besides', () => {
  let database: TestDatabase;
  let alone: Process;
  let expected: readonly string[];
  const processes: Process[] = [];
  beforeAll(async () => {
    database = await createTestDatabase();
    alone = await startProcess(database, null);
    processes.push(alone);
    expected = await transcript(alone);
  });
  afterAll(async () => {
    for (const { api, opened } of processes) {
      await api.close();
      await opened.close();
    }
  });

  it('says what it says without a cache', () => {
    const statuses = expected.map((line) => line.split(' ').slice(0, 4).join(' '));
    expect(statuses).toContain('all GET /workflows/order 200');
    expect(statuses).toContain('stranger GET /workflows/order 404');
    expect(statuses).toContain('revoked GET /workflows/order 401');
    expect(statuses).toContain('narrow GET /workflows/order 403');
    expect(statuses).toContain('one POST /workflows/order/execute 404');
    expect(statuses.filter((status) => status.endsWith(' 500'))).toEqual([]);
    expect(statuses.at(-1)).toBe('all GET /workflows/order/versions/1.0.0 404');
  });

  for (const [where, { start, cluster }] of Object.entries(WHERE)) {
    describeWithRedis(`over ${where}`, () => {
      let servers: readonly RedisServer[];
      let one: Process;
      let two: Process;
      beforeAll(async () => {
        servers = await start();
        for (const server of cluster ? servers : []) {
          await server.admin('CONFIG', 'SET', 'cluster-require-full-coverage', 'no');
        }
        one = await startProcess(database, servers[0]?.url ?? '', cluster);
        two = await startProcess(database, servers[0]?.url ?? '', cluster);
        processes.push(one, two);
      });
      const every = (act: (server: RedisServer) => unknown) => Promise.all(servers.map(act));
      const admin = (...command: string[]) => every((server) => server.admin(...command));
      /** Both read from the cache what the other wrote there. */
      const well = () =>
        vi.waitFor(
          async () => {
            const client = one.api.client(
              await one.api.createKey(await one.api.createTenant(), ['*']),
            );
            await client.createWorkflow({ body: aDefinition({ workflow_id: 'well' }) as never });
            const before = counted(one, 'cache_failures');
            await client.getWorkflow({ workflow_id: 'well' });
            expect(counted(one, 'cache_failures')).toBe(before);
          },
          { timeout: 60_000, interval: 100 },
        );

      it('says the same, and a second process finds what the first has read', async () => {
        expect(await transcript(one)).toEqual(expected);
        const key = await one.api.createKey(await one.api.createTenant(), ['*']);
        const [here, there] = [one.api.client(key), two.api.client(key)];
        // Again where a busy machine was slower than a cache may be.
        await vi.waitFor(
          async () => {
            const workflow_id = `w${randomBytes(4).toString('hex')}`;
            await here.createWorkflow({ body: aDefinition({ workflow_id }) as never });
            const shown = await here.getWorkflow({ workflow_id });
            const before = counted(two, 'cache_reads', 'workflow-version\\S*shared');
            expect(await there.getWorkflow({ workflow_id })).toEqual(shown);
            expect(counted(two, 'cache_reads', 'workflow-version\\S*shared')).toBe(before + 1);
          },
          { timeout: 60_000, interval: 100 },
        );
      });

      const FAULTS: readonly (readonly [
        string,
        { go?(): unknown; between?(): Promise<unknown>; back?(): unknown },
      ])[] = [
        ['emptied before every call', { between: () => admin('FLUSHALL') }],
        [
          'full',
          {
            go: () => admin('CONFIG', 'SET', 'maxmemory', '1'),
            back: () => admin('CONFIG', 'SET', 'maxmemory', '0'),
          },
        ],
        [
          'silent',
          {
            go: () => every((server) => server.freeze()),
            back: () => every((server) => server.thaw()),
          },
        ],
        ['poisoned before every call', { between: () => every(poison) }],
      ];
      it.each(FAULTS)('says the same while it is %s', async (_, { go, between, back }) => {
        await go?.();
        try {
          expect(await transcript(one, between)).toEqual(expected);
        } finally {
          await back?.();
        }
        await well();
      });

      it('waits a few times only for what is silent, and then asks it no more', async () => {
        const client = one.api.client(await one.api.createKey(await one.api.createTenant(), ['*']));
        for (const i of [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]) {
          await client.createWorkflow({ body: aDefinition({ workflow_id: `w${i}` }) as never });
        }
        const before = counted(one, 'breaker_refusals', 'cache');
        const failures = counted(one, 'cache_failures');
        await every((server) => server.freeze());
        try {
          for (const i of [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]) {
            await client.getWorkflow({ workflow_id: `w${i}` });
          }
        } finally {
          await every((server) => server.thaw());
        }
        expect(counted(one, 'cache_failures')).toBeGreaterThan(failures + 12);
        expect(counted(one, 'breaker_refusals', 'cache')).toBeGreaterThan(before);
        await well();
      });

      it('forgets in every process what one of them has changed, and soon', async () => {
        const tenant = await one.api.createTenant();
        const key = await one.api.createKey(tenant, ['*']);
        const [here, there] = [one.api.client(key), two.api.client(key)];
        await here.createWorkflow({ body: aDefinition({ workflow_id: 'w' }) as never });
        await there.listVersions({ workflow_id: 'w' });
        await here.deleteWorkflow({ workflow_id: 'w' });
        // What must be current is so at once; what may lag is what a process holds for two seconds.
        await expect(there.getWorkflow({ workflow_id: 'w' })).rejects.toThrow();
        await expect
          .poll(() => there.listVersions({ workflow_id: 'w' }).catch(() => 'gone'), {
            timeout: 20_000,
          })
          .toBe('gone');
      });

      it('forgets by event what whoever changed it could not have it forget', async () => {
        const clock = createSystemClock();
        const [codec, ids, log] = [createPlainCodec(), createIds(), createSilentLog()];
        const relay = database.pool('cloudflow_relay');
        const partitions = createPartitions(relay);
        const tenant = await one.api.createTenant();
        const client = one.api.client(await one.api.createKey(tenant, ['*']));
        await client.createWorkflow({ body: aDefinition({ workflow_id: 'w' }) as never });
        await client.getWorkflow({ workflow_id: 'w' });
        await client.listVersions({ workflow_id: 'w' });
        const kept = async () =>
          (await every((server) => server.admin('KEYS', `${tenant}:*`))).join('\n');
        expect(await kept()).toContain(`${tenant}:workflow:1:live:w`);
        expect(await kept()).toContain(`${tenant}:workflow-version:1:live:w:`);
        const store = createPostgresWorkflowStore({
          pool: database.pool('cloudflow_app'),
          ...{ codec, ids },
        });
        expect(await store.remove(tenant, 'live', 'w', null, clock.now())).toBe('removed');
        expect(await kept()).toContain(`${tenant}:workflow-version:1:live:w:`);

        const events = createPostgresEventLog({ pool: relay, codec, partitions, clock, log });
        const { group, topic } = CONSUMERS['cache-invalidation'];
        const consumers = createConsumers({
          ...{ pool: relay, codec, partitions, clock, ids, log },
          cache: two.opened.cache,
          mail: NO_MAIL,
          metrics: NO_METRICS,
          tracer: NO_TRACER,
        });
        const handle = consumers['cache-invalidation'];
        events.subscribe({ group: `${group}-${where}`, topic, most: 100, handle });
        try {
          await expect.poll(kept, { timeout: 30_000 }).not.toContain('workflow-version');
          // What is left says that nothing older counts.
          const key = `${tenant}:workflow:1:live:w`;
          const left = await every((server) => server.admin('GET', key).catch(() => ''));
          expect(left.join()).toContain('$2\r\n2');
        } finally {
          await events.close();
        }
      });

      it('says the same when part of it, and then all of it, has been killed', async () => {
        await servers.at(-1)?.kill();
        expect(await transcript(one)).toEqual(expected);
        await every((server) => server.kill());
        expect(await transcript(one)).toEqual(expected);
        expect(counted(one, 'cache_failures')).toBeGreaterThan(0);
      });
    });
  }
});

/** Writes over everything that is there what nobody of ours has written. */
async function poison(server: RedisServer): Promise<void> {
  const keys = (await server.admin('KEYS', '*'))
    .split('\r\n')
    .filter((line) => line.includes(':workflow'));
  const forged = ['{"definition":{}}', '9007199254740991 AAAA', '0 -', '99 ', ''];
  for (const [i, key] of keys.entries()) {
    await server.admin('SET', key, forged[i % forged.length] ?? '', 'KEEPTTL');
  }
}
