import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createJsonLog } from '#adapters/local/json-log.ts';
import { createRealDeadlines } from '#adapters/local/real-deadlines.ts';
import { createLocalMetrics } from '#adapters/metrics/local-metrics.ts';
import { connectRedis, type Redis, type RedisSettings } from '#adapters/redis/connect.ts';
import { defineScript } from '#adapters/redis/script.ts';
import { CACHE_ACCESS, NO_ACCESS } from '#config/cache.ts';
import { LOCALHOST } from '#test/support/localhost-certificate.ts';
import {
  describeWithRedis,
  type RedisServer,
  startRedis,
  startRedisCluster,
} from '#test/support/redis-server.ts';

const open = new Set<Redis>();
afterEach(async () => {
  for (const redis of open) await redis.close();
  open.clear();
});

interface Watched {
  readonly redis: Redis;
  readonly lines: string[];
  failures(): number;
}

/** A connection, with all that it says and measures. */
function watched(settings: Partial<RedisSettings> & Pick<RedisSettings, 'url'>): Watched {
  const lines: string[] = [];
  const metrics = createLocalMetrics();
  const redis = connectRedis(
    { cluster: false, login: null, name: 'test', answerMs: 20_000, ...settings },
    {
      log: createJsonLog({ write: (line) => lines.push(line), level: 'debug', time: () => '' }),
      metrics,
      deadlines: createRealDeadlines(),
    },
  );
  open.add(redis);
  return {
    redis,
    lines,
    failures: () => Number(/connect_failures\S* (\d+)$/m.exec(metrics.text())?.[1] ?? 0),
  };
}

async function connected(settings: Parameters<typeof watched>[0]): Promise<Redis> {
  const { redis } = watched(settings);
  await redis.connected();
  return redis;
}

/** Counts what is under a key, and answers the count. */
const COUNT = defineScript("return redis.call('INCRBY', KEYS[1], ARGV[1])");

describeWithRedis('a connection to one server', () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis();
  });

  it('sends commands, and answers what the server does', async () => {
    const redis = await connected({ url: server.url });
    expect(await redis.send('a', ['SET', 'a', 'grün', 'PX', '60000'])).toBe('OK');
    expect(await redis.send('a', ['GET', 'a'])).toBe('grün');
    expect(await redis.send('b', ['GET', 'b'])).toBeNull();
    expect(await redis.send('a', ['EXISTS', 'a'])).toBe(1);
    expect(await redis.send('a', ['MGET', 'a', 'b'])).toEqual(['grün', null]);
    await expect(redis.send('a', ['INCR', 'a'])).rejects.toThrow('not an integer');
  });

  it('runs a script that the server has never seen, and again when it has forgotten it', async () => {
    const redis = await connected({ url: server.url });
    expect(await redis.run(COUNT, ['count'], ['2'])).toBe(2);
    expect(await redis.run(COUNT, ['count'], ['2'])).toBe(4);
    expect(await server.admin('SCRIPT', 'EXISTS', COUNT.hash)).toContain(':1');
    await server.admin('SCRIPT', 'FLUSH');
    expect(await redis.run(COUNT, ['count'], ['1'])).toBe(5);
    await expect(redis.run(COUNT, ['count'], ['x'])).rejects.toThrow('not an integer');
  });

  it('says its name to the server', async () => {
    await connected({ url: server.url, name: 'cloudflow-workflows-api' });
    expect(await server.admin('CLIENT', 'LIST')).toContain('name=cloudflow-workflows-api');
  });

  it('rejects what has no answer in time, and goes on when there are answers again', async () => {
    const redis = await connected({ url: server.url, answerMs: 50 });
    server.freeze();
    try {
      await expect(redis.send('a', ['GET', 'a'])).rejects.toThrow('not answered within 50 ms');
    } finally {
      server.thaw();
    }
    await expect.poll(() => redis.send('a', ['SET', 'a', '1']).catch(() => null)).toBe('OK');
  });

  it('lets no more wait for an answer than it may', async () => {
    const redis = await connected({ url: server.url, answerMs: 20_000, maxWaiting: 10 });
    server.freeze();
    try {
      const asked = Array.from({ length: 30 }, () =>
        redis.send('a', ['GET', 'a']).then(
          () => 'answered',
          (error: Error) => error.message,
        ),
      );
      // Those that find no room are told so while the server is still silent.
      const told = await Promise.race([Promise.all(asked.slice(20)), pause(10_000)]);
      expect(told).toEqual(Array.from({ length: 10 }, () => expect.stringContaining('full')));
    } finally {
      server.thaw();
    }
  });
});

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms, 'nothing'));

describeWithRedis('a server that goes away', () => {
  it('is noticed, said once, counted, and found again, with nothing kept for it meanwhile', async () => {
    const server = await startRedis();
    const { redis, lines, failures } = watched({ url: server.url });
    await redis.connected();
    await server.kill();
    await expect.poll(() => failures(), { timeout: 20_000 }).toBeGreaterThan(2);
    expect(lines.map((line) => JSON.parse(line).event)).toEqual(['CACHE_LOST']);
    // At once: `answerMs` is 20 seconds.
    const before = performance.now();
    await expect(redis.send('a', ['SET', 'a', 'too early'])).rejects.toThrow(/offline|closed/i);
    expect(performance.now() - before).toBeLessThan(10_000);
    await server.start();
    await expect
      .poll(() => redis.send('a', ['GET', 'a']).catch(() => 'away'), { timeout: 30_000 })
      .toBeNull();
  });

  it('may be away from the start', async () => {
    const server = await startRedis();
    await server.kill();
    const { redis, failures } = watched({ url: server.url });
    await expect(redis.send('a', ['GET', 'a'])).rejects.toThrow();
    await expect.poll(() => failures(), { timeout: 20_000 }).toBeGreaterThan(1);
    await server.start();
    await redis.connected();
    expect(await redis.send('a', ['GET', 'a'])).toBeNull();
  });

  it('that never comes keeps nobody from closing', async () => {
    const { redis } = watched({ url: 'redis://127.0.0.1:1' });
    const ends = redis.connected().catch(() => 'closed');
    await redis.close();
    await redis.close();
    expect(await ends).toBe('closed');
    await expect(redis.send('a', ['GET', 'a'])).rejects.toThrow();
  });
});

describeWithRedis('who is let in', () => {
  const USER = 'cloudflow-dev-programs';
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis({ tls: LOCALHOST });
    await server.admin('ACL', 'SETUSER', USER, ...CACHE_ACCESS.split(' '), '>first', '>second');
  });
  const settings = () => ({ url: server.secureUrl ?? '', certificates: LOCALHOST.certificate });

  it('is asked over TLS, by a host that its certificate names', async () => {
    const redis = await connected(settings());
    expect(await redis.send('a', ['PING'])).toBe('PONG');
    const { redis: elsewhere, lines } = watched({
      ...settings(),
      url: settings().url.replace('localhost', '127.0.0.1'),
    });
    await expect.poll(() => lines.length, { timeout: 20_000 }).toBeGreaterThan(0);
    expect(lines[0]).toContain('ERR_TLS_CERT_ALTNAME_INVALID');
    await expect(elsewhere.send('a', ['PING'])).rejects.toThrow();
    const { lines: untrusted } = watched({ url: settings().url });
    await expect.poll(() => untrusted.join(), { timeout: 20_000 }).toContain('SELF_SIGNED');
  });

  it('logs in with a password of its own at every connection', async () => {
    const passwords = ['first', 'second'];
    const asked: string[] = [];
    const login = {
      user: USER,
      password: async () => {
        asked.push(passwords[0] ?? '');
        return passwords.shift() ?? 'none';
      },
    };
    const redis = await connected({ ...settings(), login });
    expect(await server.admin('CLIENT', 'LIST')).toContain(`user=${USER}`);
    await server.admin('CLIENT', 'KILL', 'USER', USER);
    await expect
      .poll(() => redis.send('a', ['SET', 'a', '1']).catch(() => null), { timeout: 20_000 })
      .toBe('OK');
    expect(asked).toEqual(['first', 'second']);
  });

  it('with a password that is refused it stays out, and says so without the password', async () => {
    const { redis, lines } = watched({
      ...settings(),
      login: { user: USER, password: async () => 'a-stolen-one' },
    });
    await expect.poll(() => lines.length, { timeout: 20_000 }).toBeGreaterThan(0);
    expect(lines.join()).toContain('WRONGPASS');
    expect(lines.join()).not.toContain('a-stolen-one');
    await expect(redis.send('a', ['GET', 'a'])).rejects.toThrow();
  });

  it('may do with the access of programs what programs do, and no more', async () => {
    const login = { user: USER, password: async () => 'first' };
    const redis = await connected({ ...settings(), login });
    expect(await redis.run(COUNT, ['limits'], ['1'])).toBe(1);
    expect(await redis.send('a', ['SET', 'a', '1', 'PX', '1000'])).toBe('OK');
    for (const command of [
      ['FLUSHALL'],
      ['KEYS', '*'],
      ['CONFIG', 'GET', '*'],
      ['ACL', 'LIST'],
      ['SHUTDOWN'],
      ['PUBLISH', 'a', 'b'],
    ]) {
      await expect(redis.send('a', command), command.join(' ')).rejects.toThrow('NOPERM');
    }
  });

  it('as nobody may do nothing', async () => {
    await server.admin('ACL', 'SETUSER', 'nobody', ...NO_ACCESS.split(' '), '>known');
    const { lines } = watched({
      ...settings(),
      login: { user: 'nobody', password: async () => 'known' },
    });
    await expect.poll(() => lines.join(), { timeout: 20_000 }).toContain('WRONGPASS');
  });
});

describeWithRedis('a connection to a cluster', () => {
  const USER = 'cloudflow-dev-programs';
  let servers: readonly RedisServer[];
  beforeAll(async () => {
    servers = await startRedisCluster();
    for (const server of servers) {
      await server.admin('ACL', 'SETUSER', USER, ...CACHE_ACCESS.split(' '), '>token');
    }
  });
  const settings = (server = servers[0]) => ({
    url: server?.url ?? '',
    cluster: true,
    login: { user: USER, password: async () => 'token' },
  });
  const KEYS = Array.from({ length: 40 }, (_, i) => `key-${i}`);

  it('finds every key on its node, by the access of programs', async () => {
    const redis = await connected(settings());
    for (const key of KEYS) expect(await redis.send(key, ['SET', key, key])).toBe('OK');
    for (const key of KEYS) expect(await redis.send(key, ['GET', key])).toBe(key);
    const sizes = await Promise.all(servers.map((server) => server.admin('DBSIZE')));
    expect(sizes.map((size) => Number(size.slice(1)) > 0)).toEqual([true, true, true]);
    expect(sizes.reduce((sum, size) => sum + Number(size.slice(1)), 0)).toBe(KEYS.length);
  });

  it('runs scripts where their keys are, each node learning them', async () => {
    const redis = await connected(settings());
    for (const key of KEYS) expect(await redis.run(COUNT, [`{${key}}:n`], ['3'])).toBe(3);
    await expect(redis.run(COUNT, ['{a}', '{b}'], ['1'])).rejects.toThrow('CROSSSLOT');
  });

  it('follows keys that have moved to another node', async () => {
    const redis = await connected(settings());
    const key = 'moves';
    const slot = (await servers[0]!.admin('CLUSTER', 'KEYSLOT', key)).slice(1);
    const ids = await Promise.all(
      servers.map(async (server) => (await server.admin('CLUSTER', 'MYID')).split('\r\n')[1]!),
    );
    const owner = Math.floor((Number(slot) * 3) / 16_384);
    const next = (owner + 1) % 3;
    expect(await redis.send(key, ['GET', key])).toBeNull();
    for (const server of [servers[next]!, servers[owner]!, servers[(owner + 2) % 3]!]) {
      await server.admin('CLUSTER', 'SETSLOT', slot, 'NODE', ids[next]!);
    }
    expect(await redis.send(key, ['SET', key, 'there'])).toBe('OK');
    expect(await servers[next]!.admin('GET', key)).toContain('there');
  });

  it('without one of its nodes it answers what the others hold', async () => {
    for (const server of servers) {
      await server.admin('CONFIG', 'SET', 'cluster-require-full-coverage', 'no');
    }
    const { redis, failures } = watched(settings());
    await redis.connected();
    await servers[2]!.kill();
    await expect.poll(() => failures(), { timeout: 20_000 }).toBeGreaterThan(0);
    const told = await Promise.all(
      KEYS.map((key) =>
        redis.send(key, ['GET', key]).then(
          () => 'told',
          () => 'not',
        ),
      ),
    );
    expect(new Set(told)).toEqual(new Set(['told', 'not']));
  });
});

describe('settings of a connection', () => {
  it('scripts are known by their hash', () => {
    expect(defineScript('return 1').hash).toBe('e0e1f9fabfc9d4800c877a703b823ac0578ff8db');
  });
});
