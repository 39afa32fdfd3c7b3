import { describe, expect, it } from 'vitest';
import { LIMITS } from '#core/dsl/limits.ts';
import type { ExecutionEvent } from '#core/execution/events.ts';
import { QUOTA } from '#core/execution/quota.ts';
import { restore, snapshot } from '#core/execution/snapshot.ts';
import { Driver, http, run, workflow } from './driver.ts';

/** Loops within loops, `times` iterations each, around `steps`. */
function nested(levels: number, times: number, steps: readonly object[]): object[] {
  if (levels === 0) return [...steps];
  return [
    {
      id: `level-${levels}`,
      type: 'loop',
      config: {
        while: `{% $loop.index < ${times} %}`,
        max_iterations: times,
        steps: nested(levels - 1, times, steps),
      },
    },
  ];
}

const own = (log: readonly { readonly event: ExecutionEvent }[]): number =>
  log.filter(({ event }) => !event.type.startsWith('compensation_')).length;

describe('the quota of an execution (rule 43)', () => {
  it('ends loops within loops that would go on for years', async () => {
    const program = workflow(
      nested(4, 900, [{ id: 'one', type: 'transform', config: { value: 1 } }]),
    );
    const { driver, result } = await run(program, { quota: { ...QUOTA, events: 600 } });
    expect(result).toMatchObject({
      status: 'FAILED',
      error: { code: 'CloudFlow.QuotaExceeded', message: expect.stringContaining('100000 events') },
    });
    expect(driver.log.length).toBeGreaterThan(580);
    expect(driver.log.length).toBeLessThan(620);
    expect(result.steps['level-4']?.error?.code).toBe('CloudFlow.Cancelled');
  });

  it('is that of the language where nobody says otherwise', () => {
    expect(QUOTA).toEqual({ events: LIMITS.executionEvents, bytes: LIMITS.executionBytes });
  });

  it('undoes what was done, latest first, whatever on_cancel says (rule 30)', async () => {
    const steps = nested(2, 20, [
      http('book', { compensate: { type: 'http_request', config: { url: 'https://e.com' } } }),
    ]);
    const program = workflow(steps, { on_cancel: 'abandon' });
    const { driver, result } = await run(program, { quota: { ...QUOTA, events: 60 } });
    expect(result).toMatchObject({
      status: 'FAILED',
      error: { code: 'CloudFlow.QuotaExceeded' },
      compensation: 'COMPLETE',
    });
    const done = driver.log.flatMap(({ event }) =>
      event.type === 'step_succeeded' ? [event.step] : [],
    );
    expect(done.length).toBeGreaterThan(10);
    expect(result.compensations.map(({ step }) => step)).toEqual(done.toReversed());
    expect(own(driver.log)).toBeLessThan(70);
  });

  it('gives up what runs and skips what had not begun, and has room for saying so', async () => {
    const program = workflow([
      {
        id: 'each',
        type: 'for_each',
        config: {
          items: '{% $input.items %}',
          max_items: 40,
          concurrency: 40,
          steps: [http('call'), http('more', { depends_on: ['call'] })],
        },
      },
    ]);
    const events = 100;
    const { driver, result } = await run(program, {
      input: { items: Array.from({ length: 40 }, (_, i) => i) },
      calls: () => 'never',
      quota: { ...QUOTA, events },
    });
    // 80 instances begin at once; they are counted before any of them has an event.
    expect(result.error?.code).toBe('CloudFlow.QuotaExceeded');
    expect(driver.log.length).toBeLessThanOrEqual(events + 5);
    const steps = Object.values(result.steps);
    expect(steps).toHaveLength(81);
    expect(new Set(steps.map(({ status }) => status))).toEqual(new Set(['FAILED', 'SKIPPED']));
  });

  it('counts the bytes of what is recorded too', async () => {
    const program = workflow(
      nested(1, 900, [{ id: 'copy', type: 'transform', config: { value: '{% $input.text %}' } }]),
    );
    const input = { text: 'x'.repeat(1_000) };
    const { driver, result } = await run(program, { input, quota: { ...QUOTA, bytes: 20_000 } });
    expect(result.error?.code).toBe('CloudFlow.QuotaExceeded');
    expect(driver.state.exceeded).toBe('bytes');
    const copies = driver.log.filter(
      ({ event }) => event.type === 'step_succeeded' && event.step.includes('copy'),
    );
    expect(copies.length).toBeGreaterThan(15);
    expect(copies.length).toBeLessThan(21);
  });

  it('counts what others make it record: a callback with a heartbeat for ever', async () => {
    const program = workflow([
      {
        id: 'ask',
        type: 'callback',
        config: { request: { url: 'https://e.com' }, timeout: '1d', heartbeat: '1m' },
      },
    ]);
    const driver = new Driver(program, { quota: { ...QUOTA, events: 50 } });
    await driver.send({ kind: 'start' });
    await driver.step();
    for (let beat = 0; beat < 100; beat++) {
      await driver.send({ kind: 'callback_heartbeat', step: 'ask' });
    }
    expect(driver.report()).toMatchObject({
      status: 'FAILED',
      error: { code: 'CloudFlow.QuotaExceeded' },
    });
    expect(driver.log.length).toBeLessThan(60);
  });

  it('lets an execution end that uses all of it and no more', async () => {
    const program = workflow([http('a'), http('b', { depends_on: ['a'] })]);
    const { driver } = await run(program);
    const events = driver.log.length - 1; // its end is not counted
    const whole = await run(program, { quota: { ...QUOTA, events } });
    expect(whole.result.status).toBe('COMPLETED');
    const short = await run(program, { quota: { ...QUOTA, events: events - 1 } });
    expect(short.result.error?.code).toBe('CloudFlow.QuotaExceeded');
  });

  it('is counted on from a checkpoint', async () => {
    const program = workflow(nested(2, 5, [http('call')]));
    const { driver } = await run(program, { calls: () => ({ output: { n: 1 } }) });
    const { begun, bytes } = driver.state;
    expect(begun).toBe(driver.state.completed);
    expect(bytes).toBeGreaterThan(100);
    expect(restore(program, JSON.parse(JSON.stringify(snapshot(driver.state))))).toEqual(
      driver.state,
    );
  });
});
