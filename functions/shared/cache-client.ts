/**
 * What talks to the cache, built into a file of its own beside the functions that use it: its client is
 * larger than what is left of their megabyte, and none of them needs it in order to answer.
 */
import { fromEnv } from '@aws-sdk/credential-provider-env';
import { createCacheToken } from '#adapters/elasticache/iam-token.ts';
import { createRealDeadlines } from '#adapters/local/real-deadlines.ts';
import { connectRedis, type Redis } from '#adapters/redis/connect.ts';
import { createRedisRateLimiter } from '#adapters/redis/rate-limiter.ts';
import { resourceNames } from '#config/resources.ts';
import type { Log } from '#ports/log.ts';
import type { Metrics } from '#ports/metrics.ts';
import type { RateLimiter } from '#ports/rate-limiter.ts';

/** Longer than any answer of a cache that is well, and no delay that somebody would notice. */
const ANSWER_MS = 50;

export interface CacheEnv {
  readonly STAGE: string;
  readonly CACHE_URL: string;
  readonly CACHE_AUTH: string;
}

export interface CacheBasics {
  /** Of the program, as the server shows it in its list of clients. */
  readonly name: string;
  readonly log: Log;
  readonly metrics: Metrics;
  /** How long an answer may take, in real milliseconds; default: 50. */
  readonly answerMs?: number;
}

export interface Cache {
  readonly redis: Redis;
  readonly rateLimiter: RateLimiter;
}

/** Begins to connect, and answers at once. */
export function openCache(basics: CacheBasics, env: CacheEnv): Cache {
  const isIam = env.CACHE_AUTH === 'iam';
  if (!isIam && env.CACHE_AUTH !== 'url') {
    throw new TypeError(`CACHE_AUTH is ${JSON.stringify(env.CACHE_AUTH)}; use iam or url`);
  }
  const { cache, cacheUser } = resourceNames(env.STAGE);
  const redis = connectRedis(
    {
      url: env.CACHE_URL,
      cluster: isIam,
      login: isIam
        ? {
            user: cacheUser,
            password: createCacheToken({
              cache,
              user: cacheUser,
              credentials: fromEnv(),
            }),
          }
        : null,
      name: `cloudflow-${basics.name}`,
      answerMs: basics.answerMs ?? ANSWER_MS,
    },
    { ...basics, deadlines: createRealDeadlines() },
  );
  return { redis, rateLimiter: createRedisRateLimiter(redis) };
}
