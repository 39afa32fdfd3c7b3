import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { createBreaker } from '#adapters/breaker/breaker.ts';
import { createLocalRateLimiter } from '#adapters/local/rate-limiter.ts';
import { createBackedRateLimiter } from '#adapters/redis/backed-rate-limiter.ts';
import type { Clock } from '#ports/clock.ts';
import type { RateLimiter } from '#ports/rate-limiter.ts';
import type { Cache, CacheBasics, CacheEnv } from './cache-client.ts';

/** Set by the build: in a bundle what talks to the cache lies beside it. */
declare const CLOUDFLOW_BUNDLED: boolean | undefined;

type Client = typeof import('./cache-client.ts');

export interface OpenedRateLimiter extends RateLimiter {
  /** Resolves when the cache is connected; never, where there is none. No request waits for it. */
  connected(): Promise<void>;
  close(): Promise<void>;
}

/** The limiter of a process: by itself until the client of the cache is loaded, and where there is no cache. */
export function openRateLimiter(
  basics: CacheBasics & { readonly clock: Clock },
  env: Omit<CacheEnv, 'CACHE_URL' | 'CACHE_AUTH'> & Partial<CacheEnv>,
): OpenedRateLimiter {
  const { CACHE_URL = '', CACHE_AUTH = '' } = env;
  const { clock, log, metrics } = basics;
  let cache: Cache | null = null;
  const load = async (): Promise<void> => {
    if (CACHE_URL === '') return;
    try {
      const { openCache } = await loadClient();
      cache = openCache(basics, { ...env, CACHE_URL, CACHE_AUTH });
    } catch (error) {
      // Every process then counts alone, as when the cache is away.
      log.error('CACHE_LOST', { error });
    }
  };
  const loaded = load();
  const limiter = createBackedRateLimiter({
    local: createLocalRateLimiter(clock),
    shared: () => cache?.rateLimiter ?? null,
    breaker: createBreaker('cache', { clock, metrics }),
    metrics,
  });
  return {
    take: (request) => limiter.take(request),
    async connected() {
      await loaded;
      await (cache?.redis.connected() ?? new Promise(() => undefined));
    },
    async close() {
      await loaded;
      await cache?.redis.close();
    },
  };
}

function loadClient(): Promise<Client> {
  if (typeof CLOUDFLOW_BUNDLED === 'undefined') return import('./cache-client.ts');
  const file = pathToFileURL(join(import.meta.dirname, 'cache-client.mjs')).href;
  return import(file) as Promise<Client>;
}
