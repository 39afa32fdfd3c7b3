import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { createBreaker } from '#adapters/breaker/breaker.ts';
import { createLocalRateLimiter } from '#adapters/local/rate-limiter.ts';
import { createBackedRateLimiter } from '#adapters/redis/backed-rate-limiter.ts';
import { createLayeredCache } from '#adapters/redis/layered-cache.ts';
import type { SealKeys } from '#adapters/redis/seal-values.ts';
import type { Cache } from '#ports/cache.ts';
import type { Clock } from '#ports/clock.ts';
import type { Metrics } from '#ports/metrics.ts';
import type { RateLimiter } from '#ports/rate-limiter.ts';
import type { CacheBasics, CacheClient, CacheEnv } from './cache-client.ts';

/** Set by the build: in a bundle what talks to the cache lies beside it. */
declare const CLOUDFLOW_BUNDLED: boolean | undefined;

type Client = typeof import('./cache-client.ts');

/** What a process does over the cache; each part works by itself where there is none, or none yet. */
export interface OpenedCache {
  readonly rateLimiter: RateLimiter;
  readonly cache: Cache;
  /** Resolves when the cache is connected; never, where there is none. No request waits for it. */
  connected(): Promise<void>;
  close(): Promise<void>;
}

/** `keys`: what values are sealed with, the same in every process that is to know them. */
export function openCache(
  basics: CacheBasics & { readonly clock: Clock },
  env: Omit<CacheEnv, 'CACHE_URL' | 'CACHE_AUTH'> & Partial<CacheEnv>,
  keys: SealKeys,
): OpenedCache {
  const { CACHE_URL = '', CACHE_AUTH = '' } = env;
  const { clock, log, metrics } = basics;
  let client: CacheClient | null = null;
  const load = async (): Promise<void> => {
    if (CACHE_URL === '') return;
    try {
      const { connectCache } = await loadClient();
      client = connectCache(basics, { ...env, CACHE_URL, CACHE_AUTH }, keys);
    } catch (error) {
      // Every process then counts and keeps alone, as when the cache is away.
      log.error('CACHE_LOST', { error });
    }
  };
  const loaded = load();
  return {
    rateLimiter: createBackedRateLimiter({
      local: createLocalRateLimiter(clock),
      shared: () => client?.rateLimiter ?? null,
      breaker: createBreaker('cache', { clock, metrics }),
      metrics,
    }),
    cache: createLayeredCache({
      shared: () => client?.values ?? null,
      alone: CACHE_URL === '',
      breaker: createBreaker('cache', { clock, metrics }),
      clock,
      metrics,
    }),
    async connected() {
      await loaded;
      await (client?.redis.connected() ?? new Promise(() => undefined));
    },
    async close() {
      await loaded;
      await client?.redis.close();
    },
  };
}

/** What one process keeps for itself. */
export function createOwnCache(basics: {
  readonly clock: Clock;
  readonly metrics: Metrics;
}): Cache {
  return createLayeredCache({
    ...basics,
    shared: () => null,
    alone: true,
    breaker: createBreaker('cache', basics),
  });
}

function loadClient(): Promise<Client> {
  if (typeof CLOUDFLOW_BUNDLED === 'undefined') return import('./cache-client.ts');
  const file = pathToFileURL(join(import.meta.dirname, 'cache-client.mjs')).href;
  return import(file) as Promise<Client>;
}
