import { describe, expect, it } from 'vitest';
import { createBreaker } from '#adapters/breaker/breaker.ts';
import { createLocalMetrics } from '#adapters/metrics/local-metrics.ts';
import { BREAKERS } from '#config/breakers.ts';

const { failures, openMs } = BREAKERS.cache;

function aBreaker(counts?: (error: unknown) => boolean) {
  const clock = { ms: 0 };
  const metrics = createLocalMetrics();
  const breaker = createBreaker('cache', {
    clock: { monotonic: () => clock.ms },
    metrics,
    ...(counts === undefined ? {} : { counts }),
  });
  let asked = 0;
  const told = (name: string) =>
    Number(new RegExp(`${name}\\S*cache\\S* (\\d+)$`, 'm').exec(metrics.text())?.[1] ?? 0);
  return {
    clock,
    breaker,
    asked: () => asked,
    opened: () => told('breakers_opened'),
    refused: () => told('breaker_refusals'),
    fail: (error: unknown = new Error('away')) =>
      breaker
        .run(() => {
          asked += 1;
          return Promise.reject(error);
        })
        .catch((failure: unknown) => failure),
    answer: () =>
      breaker.run(() => {
        asked += 1;
        return Promise.resolve('here');
      }),
  };
}

describe('a circuit breaker', () => {
  it('lets calls through, and failures too, until so many in a row', async () => {
    const it = aBreaker();
    for (let i = 1; i < failures; i++) await it.fail();
    expect(await it.answer()).toBe('here');
    for (let i = 1; i < failures; i++) await it.fail();
    expect(it.breaker.isOpen).toBe(false);
    await it.fail();
    expect(it.breaker.isOpen).toBe(true);
    expect(it.opened()).toBe(1);
  });

  it('that is open fails at once, as the call failed that opened it (B1)', async () => {
    const it = aBreaker();
    const why = Object.assign(new Error('Throttled'), { name: 'ThrottlingException' });
    for (let i = 1; i < failures; i++) await it.fail();
    await it.fail(why);
    const before = it.asked();
    expect(await it.answer().catch((error: unknown) => error)).toBe(why);
    expect(await it.fail()).toBe(why);
    expect(it.asked()).toBe(before);
    expect(it.refused()).toBe(2);
  });

  it('lets one call try when its time is over, and the others when that was answered (B3)', async () => {
    const it = aBreaker();
    for (let i = 0; i < failures; i++) await it.fail();
    it.clock.ms += openMs;
    let answer: (value: string) => void = () => undefined;
    const trial = it.breaker.run(
      () =>
        new Promise<string>((resolve) => {
          answer = resolve;
        }),
    );
    expect(await it.answer().catch(() => 'refused')).toBe('refused');
    answer('here');
    expect(await trial).toBe('here');
    expect(it.breaker.isOpen).toBe(false);
    expect(await it.answer()).toBe('here');
  });

  it('stays open as long again when the trial fails, and is counted once', async () => {
    const it = aBreaker();
    for (let i = 0; i < failures; i++) await it.fail();
    it.clock.ms += openMs;
    await it.fail();
    it.clock.ms += openMs - 1;
    const before = it.asked();
    await it.fail();
    expect(it.asked()).toBe(before);
    it.clock.ms += 1;
    expect(await it.answer()).toBe('here');
    expect(it.opened()).toBe(1);
  });

  it('takes an unwelcome answer for an answer (B2)', async () => {
    const it = aBreaker((error) => (error as Error).message === 'away');
    for (let i = 1; i < failures; i++) await it.fail();
    const refusal = new Error('no such secret');
    expect(await it.fail(refusal)).toBe(refusal);
    for (let i = 1; i < failures; i++) await it.fail();
    expect(it.breaker.isOpen).toBe(false);
  });

  it('is not held open by calls that were under way when it opened, nor by a trial that ends badly', async () => {
    const it = aBreaker();
    const late: ((error: Error) => void)[] = [];
    const underWay = Array.from({ length: 3 }, () =>
      it.breaker.run(() => new Promise((_, reject) => late.push(reject))).catch(() => 'failed'),
    );
    for (let i = 0; i < failures; i++) await it.fail();
    it.clock.ms += openMs - 1;
    for (const reject of late) reject(new Error('late'));
    await Promise.all(underWay);
    it.clock.ms += 1;
    expect(await it.answer()).toBe('here');
  });
});
