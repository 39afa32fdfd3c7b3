/**
 * What talks to the cache, built into a file of its own beside the functions that use it: its client is
 * larger than what is left of their megabyte, and none of them needs it in order to answer.
 */
import { randomBytes } from 'node:crypto';
import { fromEnv } from '@aws-sdk/credential-provider-env';
import { createCacheToken } from '#adapters/elasticache/iam-token.ts';
import { createRealDeadlines } from '#adapters/local/real-deadlines.ts';
import { connectRedis, type Redis } from '#adapters/redis/connect.ts';
import { createRedisRateLimiter } from '#adapters/redis/rate-limiter.ts';
import { createValueSeal, type SealKeys } from '#adapters/redis/seal-values.ts';
import { createSharedValues, type SharedValues } from '#adapters/redis/shared-values.ts';
import { resourceNames } from '#config/resources.ts';
import { TIME_LIMITS } from '#config/time-limits.ts';
import type { Log } from '#ports/log.ts';
import type { Metrics } from '#ports/metrics.ts';
import type { RateLimiter } from '#ports/rate-limiter.ts';

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
  /** How long an answer may take, in real milliseconds; default: as TIME_LIMITS says. */
  readonly answerMs?: number;
  /** Whether the host is one of a cluster; default: where IAM lets in. */
  readonly cluster?: boolean;
}

export interface CacheClient {
  readonly redis: Redis;
  readonly rateLimiter: RateLimiter;
  readonly values: SharedValues;
}

/** Begins to connect, and answers at once. */
export function connectCache(basics: CacheBasics, env: CacheEnv, keys: SealKeys): CacheClient {
  const isIam = env.CACHE_AUTH === 'iam';
  if (!isIam && env.CACHE_AUTH !== 'url') {
    throw new TypeError(`CACHE_AUTH is ${JSON.stringify(env.CACHE_AUTH)}; use iam or url`);
  }
  const { cache, cacheUser } = resourceNames(env.STAGE);
  const redis = connectRedis(
    {
      url: env.CACHE_URL,
      cluster: basics.cluster ?? isIam,
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
      answerMs: basics.answerMs ?? TIME_LIMITS.cache,
    },
    { ...basics, deadlines: createRealDeadlines() },
  );
  const random = () => randomBytes(4).readUInt32LE() / 2 ** 32;
  return {
    redis,
    rateLimiter: createRedisRateLimiter(redis),
    values: createSharedValues({ redis, seal: createValueSeal(keys), random }),
  };
}
