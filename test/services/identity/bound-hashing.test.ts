import { expect, it } from 'vitest';
import { hasErrorCode } from '#core/errors.ts';
import { boundHashing } from '#services/identity/bound-hashing.ts';

/** Hashes that last `eachMs` of a time that only they move. */
function world(eachMs: number, limits: { running: number; waiting: number }) {
  let time = 0;
  const gates: (() => void)[] = [];
  const hashing = boundHashing(
    {
      hash: (text) =>
        new Promise((resolve) => {
          gates.push(() => {
            time += eachMs;
            resolve(text);
          });
        }),
      verify: () => Promise.resolve(true),
      needsRehash: () => false,
    },
    { monotonic: () => time },
    limits,
  );
  const finishOne = async (): Promise<void> => {
    gates.shift()?.();
    for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
  };
  const refusal = (): Promise<unknown> => hashing.hash('one more').catch((error: unknown) => error);
  return { hashing, finishOne, refusal };
}

const retryAfter = (error: unknown): unknown => {
  if (!hasErrorCode(error, 'UNAVAILABLE')) throw error;
  return (error as { details: Record<string, unknown> }).details['retry_after_seconds'];
};

it('says how long those before take, at the speed that hashing has now', async () => {
  const { hashing, finishOne, refusal } = world(2_000, { running: 1, waiting: 24 });
  const warm = Array.from({ length: 25 }, () => hashing.hash('warm'));
  for (let done = 0; done < warm.length; done += 1) await finishOne();
  await Promise.all(warm);
  const full = Array.from({ length: 25 }, () => hashing.hash('full'));
  // 25 of two seconds each, less the little that the first guess still counts.
  expect(retryAfter(await refusal())).toBe(50);
  for (let done = 0; done < full.length; done += 1) await finishOne();
  await Promise.all(full);
});

it('never tells anybody to come back at once', async () => {
  const { hashing, finishOne, refusal } = world(1, { running: 1, waiting: 0 });
  for (let done = 0; done < 30; done += 1) {
    const one = hashing.hash('quick');
    await finishOne();
    await one;
  }
  const held = hashing.hash('held');
  expect(retryAfter(await refusal())).toBe(1);
  await finishOne();
  await held;
});
