import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createJsonLog } from '#adapters/local/json-log.ts';
import { createSystemClock } from '#adapters/local/system-clock.ts';
import { createLocalMetrics } from '#adapters/metrics/local-metrics.ts';
import { type OpenedCache, openCache } from '#functions/shared/cache.ts';
import { oneKey } from '#services/shared/key-ring.ts';
import { startTestApi, type TestApi } from '#test/support/api.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import { hasRedis, type RedisServer, startRedis } from '#test/support/redis-server.ts';

const RATES = { caller: 30, tenant: 100 };

describeWithPostgres('how often somebody may ask', () => {
  let database: TestDatabase;
  let api: TestApi;
  const metrics = createLocalMetrics();
  beforeAll(async () => {
    database = await createTestDatabase();
    api = await startTestApi(database, { rates: RATES, metrics });
  });
  afterAll(async () => {
    await api?.close();
  });

  const ask = (key: string, path = '/api/v1/workflows', init: RequestInit = {}, of = api) =>
    fetch(`${of.server.url}${path}`, {
      ...init,
      headers: { authorization: `Bearer ${key}`, ...init.headers },
    });
  const statuses = async (key: string, count: number, of = api) => {
    const found: number[] = [];
    for (let i = 0; i < count; i++) found.push((await ask(key, undefined, {}, of)).status);
    return found;
  };
  const remaining = (response: Response, whose: string) =>
    Number(new RegExp(`"${whose}";r=(\\d+)`).exec(response.headers.get('ratelimit') ?? '')?.[1]);

  it('is told with every answer to a known caller, refusals too, and with no other', async () => {
    const key = await api.createKey(await api.createTenant(), ['workflow:read']);
    const answers = [
      await ask(key),
      await ask(key, '/api/v1/workflows/nothing'),
      await ask(key, '/api/v1/workflows', { method: 'POST', body: '{' }),
      await ask(key, '/api/v1/workflows?limit=x'),
    ];
    expect(answers.map(({ status }) => status)).toEqual([200, 404, 403, 400]);
    expect(answers.map((answer) => remaining(answer, 'caller'))).toEqual([29, 28, 27, 26]);
    expect(answers.map((answer) => remaining(answer, 'tenant'))).toEqual([99, 98, 97, 96]);
    expect(answers[0]?.headers.get('ratelimit-policy')).toBe(
      '"caller";q=30;w=60, "tenant";q=100;w=60',
    );
    expect(answers[0]?.headers.get('ratelimit')).toMatch(
      /^"caller";r=29;t=\d+, "tenant";r=99;t=\d+$/,
    );
    for (const stranger of [
      await ask('nonsense'),
      await fetch(`${api.server.url}/healthz`),
      await ask(key, '/nowhere'),
    ]) {
      expect(stranger.headers.get('ratelimit')).toBeNull();
      expect(stranger.headers.get('ratelimit-policy')).toBeNull();
    }
  });

  it('ends with 429, a stable code, and when to come again', async () => {
    const tenant = await api.createTenant();
    const key = await api.createKey(tenant, ['workflow:read'], { requestsPerMinute: 2 });
    expect(await statuses(key, 3)).toEqual([200, 200, 429]);
    const refused = await ask(key);
    const body = (await refused.json()) as Record<string, unknown>;
    expect(body).toMatchObject({
      code: 'RATE_LIMITED',
      status: 429,
      policy: 'caller',
      retry_after_seconds: expect.any(Number),
    });
    const wait = Number(refused.headers.get('retry-after'));
    expect(wait).toBe(body['retry_after_seconds']);
    expect(wait).toBeGreaterThanOrEqual(1);
    expect(wait).toBeLessThanOrEqual(61);
    expect(remaining(refused, 'caller')).toBe(0);
    // Another key of the tenant is another caller.
    expect(await statuses(await api.createKey(tenant, ['workflow:read']), 1)).toEqual([200]);
    expect(metrics.text()).toMatch(/rate_limited\S*caller\S* \d+$/m);
  });

  it('holds before anything is asked: of permissions, bodies and Idempotency-Keys', async () => {
    const key = await api.createKey(await api.createTenant(), ['workflow:read'], {
      requestsPerMinute: 1,
    });
    expect(await statuses(key, 1)).toEqual([200]);
    for (const [path, init] of [
      ['/api/v1/workflows', { method: 'POST', body: '{"a":' }],
      ['/api/v1/users', {}],
      ['/api/v1/workflows?limit=x', {}],
    ] as const) {
      expect((await ask(key, path, init)).status, path).toBe(429);
    }
  });

  it('is bounded for a tenant by what it says itself, whoever of it calls', async () => {
    const tenant = await api.createTenant();
    const admin = await api.createKey(tenant, ['*']);
    const path = `/api/v1/tenants/${tenant}`;
    const etag = (await ask(admin, path)).headers.get('etag') ?? '';
    const put = (settings: object, match: string) =>
      ask(admin, path, {
        method: 'PUT',
        headers: { 'if-match': match, 'content-type': 'application/json' },
        body: JSON.stringify({ name: 'acme', settings: { mfa: 'off', ...settings } }),
      });
    for (const [given, status] of [
      [0, 400],
      [300_001, 400],
      [1.5, 400],
    ] as const) {
      expect((await put({ requests_per_minute: given }, etag)).status, String(given)).toBe(status);
    }
    expect((await put({ requests_per_minute: 10 }, etag)).status).toBe(200);
    // What holds is read again within two seconds.
    await expect
      .poll(async () => (await ask(admin)).headers.get('ratelimit-policy'), { timeout: 20_000 })
      .toContain('"tenant";q=10;');
    const other = await api.createKey(tenant, ['workflow:read']);
    let last: Response;
    do last = await ask(other);
    while (last.status === 200);
    expect(await last.json()).toMatchObject({ code: 'RATE_LIMITED', policy: 'tenant' });
    expect(remaining(last, 'caller')).toBeGreaterThan(0);
    // And no other tenant notices, nor the other mode: it has as much to itself, and no more.
    expect(await statuses(await api.createKey(await api.createTenant(), ['*']), 1)).toEqual([200]);
    const inTest = await api.createKey(tenant, ['workflow:read'], { mode: 'test' });
    expect(await statuses(inTest, 11)).toEqual([...Array.from({ length: 10 }, () => 200), 429]);
  });

  it('is no more for a key that another key makes', async () => {
    const tenant = await api.createTenant();
    const key = await api.createKey(tenant, ['*'], { requestsPerMinute: 20 });
    const make = async (more: object) => {
      const body = JSON.stringify({ name: 'x', mode: 'live', scopes: ['workflow:read'], ...more });
      const headers = { 'content-type': 'application/json' };
      const response = await ask(key, '/api/v1/api-keys', { method: 'POST', headers, body });
      const made = (await response.json()) as { key?: { requests_per_minute: unknown } };
      return [response.status, made.key?.requests_per_minute];
    };
    expect(await make({})).toEqual([201, 20]);
    expect(await make({ requests_per_minute: 5 })).toEqual([201, 5]);
    expect(await make({ requests_per_minute: 21 })).toEqual([403, undefined]);
    expect(await make({ requests_per_minute: 0 })).toEqual([400, undefined]);
  });

  it('is told to the audit trail once a second, with how many more there were', async () => {
    const tenant = await api.createTenant();
    const key = await api.createKey(tenant, ['*'], { requestsPerMinute: 1 });
    const began = Date.now();
    expect((await statuses(key, 40)).filter((status) => status === 429)).toHaveLength(39);
    const seconds = Math.ceil((Date.now() - began) / 1_000) + 1;
    const { rows } = await database.admin.query(
      `select count(*)::int as told from audit_inbox
       where tenant_id = $1 and entry like '%RATE_LIMITED%'`,
      [tenant],
    );
    expect(rows[0].told).toBeGreaterThanOrEqual(1);
    expect(rows[0].told).toBeLessThanOrEqual(seconds);
  });

  describe.skipIf(!hasRedis)('over several processes and a cache', () => {
    let redis: RedisServer;
    const sealKey = randomBytes(32);
    const processes: TestApi[] = [];
    const caches: OpenedCache[] = [];
    const lines: string[] = [];
    beforeAll(async () => {
      redis = await startRedis();
      for (let i = 0; i < 2; i++) {
        const opened = openCache(
          {
            name: `process-${i}`,
            clock: createSystemClock(),
            metrics,
            // Neighbours may keep this machine busy for longer than answers may take in earnest.
            answerMs: 3_000,
            log: createJsonLog({
              write: (line) => lines.push(line),
              level: 'info',
              time: () => '',
            }),
          },
          { STAGE: 'dev', CACHE_URL: redis.url, CACHE_AUTH: 'url' },
          oneKey(sealKey),
        );
        caches.push(opened);
        processes.push(
          await startTestApi(database, {
            rates: RATES,
            metrics,
            rateLimiter: opened.rateLimiter,
            cache: opened.cache,
          }),
        );
      }
      await connected();
    });
    afterAll(async () => {
      for (const each of processes) await each.close();
      for (const each of caches) await each.close();
    });

    /** Both count in the cache: a request by one is seen by the other. */
    async function connected(): Promise<void> {
      const look = async () => {
        const key = await api.createKey(await api.createTenant(), ['workflow:read']);
        const left: number[] = [];
        for (const each of processes) {
          left.push(remaining(await ask(key, undefined, {}, each), 'caller'));
        }
        expect(left).toEqual([29, 28]);
      };
      await vi.waitFor(look, { timeout: 60_000, interval: 100 });
    }

    /** Of a flood over both processes at once, how many got what. */
    async function flood(key: string): Promise<Record<string, number>> {
      const answers = await Promise.all(
        Array.from({ length: 120 }, async (_, i) => {
          const response = await ask(key, undefined, {}, processes[i % 2]);
          await response.arrayBuffer();
          return response.status;
        }),
      );
      const found: Record<string, number> = {};
      for (const status of answers) found[status] = (found[status] ?? 0) + 1;
      return found;
    }

    it('is counted together', async () => {
      const key = await api.createKey(await api.createTenant(), ['workflow:read']);
      expect(await flood(key)).toEqual({ 200: 30, 429: 90 });
    });

    it('is counted by each process when the cache was emptied, so nobody gains more than that', async () => {
      const key = await api.createKey(await api.createTenant(), ['workflow:read']);
      // All through one process: what it counted itself still holds.
      for (let i = 0; i < 30; i++)
        expect((await ask(key, undefined, {}, processes[0])).status).toBe(200);
      await redis.admin('FLUSHALL');
      expect((await ask(key, undefined, {}, processes[0])).status).toBe(429);
      const { 200: passed = 0 } = await flood(key);
      expect(passed).toBeLessThanOrEqual(30);
    });

    const AWAY: readonly [string, () => Promise<void> | void, () => Promise<void> | void][] = [
      ['is killed', () => redis.kill(), () => redis.start()],
      ['stops answering', () => redis.freeze(), () => redis.thaw()],
      [
        'is full',
        async () => void (await redis.admin('CONFIG', 'SET', 'maxmemory', '1')),
        async () => void (await redis.admin('CONFIG', 'SET', 'maxmemory', '0')),
      ],
    ];
    it.each(AWAY)(
      'each process limits by itself while the cache %s, with no error',
      async (_, go, back) => {
        const tenant = await api.createTenant();
        const key = await api.createKey(tenant, ['workflow:read']);
        const narrow = await api.createKey(tenant, ['execution:read']);
        await go();
        try {
          const found = await flood(key);
          expect(Object.keys(found).every((status) => ['200', '429'].includes(status))).toBe(true);
          // Never open, and at most the limit of each process.
          expect(found['200']).toBeGreaterThanOrEqual(30);
          expect(found['200']).toBeLessThanOrEqual(60);
          // No answer about who may do what depends on it.
          const [process] = processes;
          expect((await ask(narrow, undefined, {}, process)).status).toBe(403);
          expect((await ask('cfk_live_nobody', undefined, {}, process)).status).toBe(401);
          expect((await ask(narrow, '/api/v1/executions', {}, process)).status).toBe(200);
        } finally {
          await back();
        }
        await connected();
      },
    );

    it('revoked keys stay revoked when the cache is emptied', async () => {
      const tenant = await api.createTenant();
      const key = await api.createKey(tenant, ['workflow:read']);
      const keyId = key.slice('cfk_live_'.length).slice(0, 8);
      expect((await ask(key, undefined, {}, processes[0])).status).toBe(200);
      expect(await api.apiKeys.revoke(tenant, keyId, Date.now())).toBe(true);
      await redis.admin('FLUSHALL');
      await expect
        .poll(async () => (await ask(key, undefined, {}, processes[0])).status, { timeout: 20_000 })
        .toBe(401);
    });
  });
});
