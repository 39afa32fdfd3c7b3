import { expect, it } from 'vitest';
import { CACHES } from '#config/caches.ts';
import {
  DAYS_TRACE,
  hits,
  inTraceTime,
  type Replayed,
  replayTrace,
} from '#test/support/cache-trace.ts';

const calls = ({ from: { shared, source } }: Replayed): number => shared + source;

it('of a day’s trace more than 94 of 100 definitions come out of the cache', async () => {
  const replayed = await replayTrace(DAYS_TRACE, 'workflow-version', inTraceTime);
  expect(hits(replayed)).toBeGreaterThan(0.942);
  // None of them is another than it was asked for.
  expect(replayed.stale).toBe(0);
  // It is the same trace every time.
  expect(await replayTrace(DAYS_TRACE, 'workflow-version', inTraceTime)).toEqual(replayed);
}, 120_000);

it('what processes hold themselves saves more than 40 of 100 calls to the shared cache', async () => {
  const [own, without] = [
    await replayTrace(DAYS_TRACE, 'workflow-version', inTraceTime),
    await replayTrace(DAYS_TRACE, 'workflow-version', inTraceTime, false),
  ];
  expect(hits(own)).toBeCloseTo(hits(without), 2);
  expect(calls(own)).toBeLessThan(0.6 * calls(without));
}, 120_000);

it('what may lag lags by what a process holds, and no longer', async () => {
  const replayed = await replayTrace(DAYS_TRACE, 'workflow', inTraceTime);
  expect(hits(replayed)).toBeGreaterThan(0.5);
  expect(replayed.stale).toBeGreaterThan(0);
  expect(replayed.stale).toBeLessThan(DAYS_TRACE.reads / 1_000);
  expect(replayed.oldestMs).toBeLessThanOrEqual(CACHES.workflow.heldMs);
}, 120_000);
