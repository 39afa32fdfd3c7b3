import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { createIds } from '#adapters/local/ids.ts';
import { createSilentLog } from '#adapters/local/json-log.ts';
import { createSystemClock } from '#adapters/local/system-clock.ts';
import { createLocalMetrics } from '#adapters/metrics/local-metrics.ts';
import { createHotWorkflows } from '#adapters/postgres/hot-workflows.ts';
import { createPlainCodec } from '#adapters/postgres/payload-codec.ts';
import { createPostgresWorkflowStore } from '#adapters/postgres/workflow-store.ts';
import { type OpenedCache, openCache } from '#functions/shared/cache.ts';
import type { WorkflowStore } from '#ports/workflow-store.ts';
import { type Warmed, warmCaches } from '#services/caches/warm.ts';
import { oneKey } from '#services/shared/key-ring.ts';
import { createCatalog } from '#services/workflows/catalog.ts';
import { aDefinition, startTestApi, type TestApi } from '#test/support/api.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import { describeWithRedis, type RedisServer, startRedis } from '#test/support/redis-server.ts';

const KEYS = oneKey(randomBytes(32));

describeWithPostgres('warming', () => {
  describeWithRedis('what is started most', () => {
    let database: TestDatabase;
    let redis: RedisServer;
    let api: TestApi;
    let store: WorkflowStore;
    const opened: OpenedCache[] = [];
    const clock = createSystemClock();
    const metrics = createLocalMetrics();
    beforeAll(async () => {
      [database, redis] = [await createTestDatabase(), await startRedis()];
      api = await startTestApi(database);
      store = createPostgresWorkflowStore({
        pool: database.pool('cloudflow_app'),
        ...{ codec: createPlainCodec(), ids: createIds() },
      });
    });
    afterAll(async () => {
      await api?.close();
      for (const each of opened) await each.close();
    });

    async function open(): Promise<OpenedCache> {
      const made = openCache(
        { name: 'test', clock, log: createSilentLog(), metrics, answerMs: 10_000 },
        { STAGE: 'dev', CACHE_URL: redis.url, CACHE_AUTH: 'url' },
        KEYS,
      );
      opened.push(made);
      await made.connected();
      return made;
    }

    /** As the reader of events counts them. */
    const started = (tenant: string, workflow: string, times: number, day = 'today') =>
      database.admin.query(
        `insert into execution_days (tenant_id, mode, day, workflow_id, runtime, created)
         values ($1, 'live', ($4::text)::date, $2, 'engine', $3)`,
        [tenant, workflow, times, day],
      );
    const warm = async (of: Pick<WorkflowStore, 'find' | 'findVersion'> = store): Promise<Warmed> =>
      warmCaches({
        hot: createHotWorkflows(database.pool('cloudflow_relay')),
        store: of,
        cache: (await open()).cache,
        clock,
      });

    it('is in the cache before anybody asks for it, for every tenant, and in its newest version', async () => {
      const tenants = [await api.createTenant(), await api.createTenant()];
      for (const tenant of tenants) {
        const client = api.client(await api.createKey(tenant, ['*']));
        for (const version of ['1.0.0', '1.1.0']) {
          await client.createWorkflow({
            body: aDefinition({ workflow_id: 'order', version }) as never,
          });
        }
        await started(tenant, 'order', 5);
        // Long ago, and no more there.
        await started(tenant, 'old', 1_000, '2020-01-01');
        await started(tenant, 'gone', 1_000);
      }
      expect(await warm()).toEqual({ count: 2, failed: 0 });
      const { cache } = await open();
      const asked = vi.fn(store.findVersion);
      const catalog = createCatalog({ ...store, findVersion: asked }, cache);
      for (const tenant of tenants) {
        expect((await catalog.version(tenant, 'live', 'order', null)).version).toBe('1.1.0');
      }
      expect(asked).not.toHaveBeenCalled();
    });

    it('goes on where one cannot be read, and fails where none can', async () => {
      const tenant = await api.createTenant();
      const client = api.client(await api.createKey(tenant, ['*']));
      await client.createWorkflow({ body: aDefinition({ workflow_id: 'bad' }) as never });
      await started(tenant, 'bad', 1);
      const failing = (isBad: (workflowId: string) => boolean): typeof store => ({
        ...store,
        find: (of, mode, id) =>
          isBad(id) ? Promise.reject(new Error('away')) : store.find(of, mode, id),
      });
      expect(await warm(failing((id) => id === 'bad'))).toEqual({ count: 2, failed: 1 });
      await expect(warm(failing(() => true))).rejects.toThrow('away');
    });
  });
});
