import { afterAll, afterEach, expect, it } from 'vitest';
import { createSilentLog } from '#adapters/local/json-log.ts';
import { createRealDeadlines } from '#adapters/local/real-deadlines.ts';
import { connectRedis, type Redis } from '#adapters/redis/connect.ts';
import { createRedisRateLimiter, rateScript } from '#adapters/redis/rate-limiter.ts';
import { CACHE_ACCESS } from '#config/cache.ts';
import { NO_METRICS } from '#ports/metrics.ts';
import { rateLimiterContract } from '#test/adapters/rate-limiter-contract.ts';
import { describeWithRedis, startRedis, startRedisCluster } from '#test/support/redis-server.ts';

const USER = 'programs';
const open = new Set<Redis>();
/** Of suites, which go on from test to test. */
const kept: Redis[] = [];
afterEach(async () => {
  for (const redis of open) await redis.close();
  open.clear();
});
afterAll(async () => {
  for (const redis of kept) await redis.close();
});

async function connected(url: string, cluster: boolean): Promise<Redis> {
  const redis = connectRedis(
    {
      ...{ url, cluster, name: 'test', answerMs: 20_000 },
      login: { user: USER, password: async () => 'token' },
    },
    { log: createSilentLog(), metrics: NO_METRICS, deadlines: createRealDeadlines() },
  );
  await redis.connected();
  return redis;
}

const letIn = (server: { admin(...command: string[]): Promise<string> }) =>
  server.admin('ACL', 'SETUSER', USER, ...CACHE_ACCESS.split(' '), '>token');

/** The very script, with a time that a test moves. */
async function timed(url: string, cluster: boolean) {
  const clock = { ms: 1_750_000_000_000 };
  const redis = await connected(url, cluster);
  kept.push(redis);
  const second = () => String(Math.floor(clock.ms / 1_000));
  const limiter = createRedisRateLimiter(
    { run: (script, keys, args) => redis.run(script, keys, [...args, second()]) },
    rateScript('ARGV[3]'),
  );
  return { limiter, clock };
}

describeWithRedis('one server', () => {
  rateLimiterContract(
    'the limiter over Redis',
    async () => {
      const server = await startRedis();
      await letIn(server);
      return timed(server.url, false);
    },
    { runs: 60, seed: 42 },
  );
});

describeWithRedis('a cluster', () => {
  rateLimiterContract(
    'the limiter over a cluster',
    async () => {
      const servers = await startRedisCluster();
      for (const server of servers) await letIn(server);
      return timed(servers[0]?.url ?? '', true);
    },
    { runs: 30, seed: 43 },
  );
});

describeWithRedis('windows in Redis', () => {
  const request = (limit: number) => ({
    tenant: 'acme',
    caller: 'key:a',
    limits: { caller: limit, tenant: limit },
  });

  it('are counted by the time of the server, and are gone when nobody calls', async () => {
    const server = await startRedis();
    await letIn(server);
    const redis = await connected(server.url, false);
    open.add(redis);
    const limiter = createRedisRateLimiter(redis);
    const before = Math.floor(Date.now() / 1_000);
    const { windows } = await limiter.take(request(5));
    expect(windows.caller).toEqual({ remaining: 4, freeInSeconds: 61 });
    for (const key of ['rate:{acme}:key:a', 'rate:{acme}']) {
      const second = Number(((await redis.send(key, ['HKEYS', key])) as string[])[0]);
      expect(second).toBeGreaterThanOrEqual(before);
      expect(second).toBeLessThanOrEqual(Date.now() / 1_000);
      const left = Number(await redis.send(key, ['TTL', key]));
      expect(left).toBeGreaterThan(55);
      expect(left).toBeLessThanOrEqual(61);
    }
  });

  it('keep what a clock counted that was set back by less than a minute, and no more', async () => {
    const server = await startRedis();
    await letIn(server);
    const { limiter, clock } = await timed(server.url, false);
    for (let i = 0; i < 3; i++) await limiter.take(request(3));
    clock.ms -= 50_000;
    expect((await limiter.take(request(3))).allowed).toBe(false);
    clock.ms -= 3_600_000;
    expect((await limiter.take(request(3))).allowed).toBe(true);
  });

  it('that hold something else are told as an error, which whoever asks must expect', async () => {
    const server = await startRedis();
    await letIn(server);
    const redis = await connected(server.url, false);
    open.add(redis);
    const limiter = createRedisRateLimiter(redis);
    await redis.send('rate:{acme}', ['SET', 'rate:{acme}', 'x']);
    await expect(limiter.take(request(3))).rejects.toThrow('WRONGTYPE');
    await expect(
      createRedisRateLimiter({ run: async () => ['1'] }).take(request(3)),
    ).rejects.toThrow('five numbers');
  });
});
