import { expect, it } from 'vitest';
import { createSystemClock } from '#adapters/local/system-clock.ts';
import { type Counterparts, startCounterparts } from '#local/counterparts.ts';

const NOTHING: Counterparts = {
  'step-functions-driver': 'not here',
  'state-changed': 'not here',
  'collect-machines': 'not here',
  'collect-secrets': 'not here',
  'signing-keys': 'not here',
  partitions: 'not here',
  migrate: 'not here',
  'make-tenant': 'nothing',
  integrity: 'not here',
  realtime: 'not here',
  'standby-integrity': 'not here',
  probe: 'not here',
  measure: 'not here',
  authorizer: 'not here',
  'audit-sealer': 'not here',
  'warm-caches': 'not here',
  'platform-keys': 'not here',
  analytics: 'not here',
  billing: 'not here',
  'audit-events': 'not here',
  'cache-invalidation': 'not here',
  mail: 'not here',
  'dead-letters': 'not here',
};

it('does the turns of every function at once and again, and waits for them at the end', async () => {
  const done: string[] = [];
  let end = (): void => undefined;
  const stop = startCounterparts(createSystemClock(), {
    ...NOTHING,
    'step-functions-driver': [{ everyMs: 1, act: async () => void done.push('look') }],
    partitions: [
      { everyMs: 60_000, act: () => new Promise((resolve) => (end = () => resolve(undefined))) },
    ],
  });
  await expect.poll(() => done.length).toBeGreaterThan(2);
  let stopped = false;
  const stopping = stop().then(() => {
    stopped = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(stopped).toBe(false);
  end();
  await stopping;
  const before = done.length;
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(done).toHaveLength(before);
});

it('a function without a counterpart does not compile, nor one that is no function', () => {
  const { migrate, ...without } = NOTHING;
  expect(migrate).toBe('not here');
  // @ts-expect-error migrate is missing
  const incomplete: Counterparts = without;
  // @ts-expect-error there is no such function
  const unknown: Counterparts = { ...NOTHING, 'no-function': 'not here' };
  expect([incomplete, unknown]).toHaveLength(2);
});
