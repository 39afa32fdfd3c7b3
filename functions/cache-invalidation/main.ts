import { randomBytes } from 'node:crypto';
import { readEnv } from '#config/env.ts';
import { oneKey } from '#services/shared/key-ring.ts';
import { openCache } from '../shared/cache.ts';
import { invoked } from '../shared/invoked.ts';
import type { KafkaEvent } from '../shared/kafka-event.ts';
import { connectConsumer } from '../shared/kafka-function.ts';
import { within } from '../shared/within.ts';

/** A batch that finds no cache by then is left for the next time. */
const CONNECT_MS = 10_000;

const env = readEnv('cache-invalidation', process.env);
const { basics, opened, answer } = connectConsumer('cache-invalidation', (basics) => {
  // Nothing is sealed or opened here.
  const opened = openCache(basics, env, oneKey(randomBytes(32)));
  return { opened, cache: opened.cache };
});

/** Has the cache forget what has changed. */
export const handler = invoked(basics, async (event: KafkaEvent) => {
  const late = () => new Error(`the cache is not there after ${CONNECT_MS} ms`);
  await within(basics.clock, CONNECT_MS, opened.connected(), late).catch(() => undefined);
  return answer(event);
});
