import { expect, it } from 'vitest';
import { keyOf } from '#adapters/redis/keys.ts';
import type { SharedValue, SharedValues } from '#adapters/redis/shared-values.ts';
import { CACHES } from '#config/caches.ts';
import {
  DAYS_TRACE,
  type Replayed,
  replayTrace,
  type TraceClock,
} from '#test/support/cache-trace.ts';

/** Shared values in the trace's own time: those of Redis are measured by `npm run bench:caches`. */
function inTraceTime(clock: TraceClock): SharedValues {
  const values = new Map<string, SharedValue & { readonly until: number }>();
  return {
    async get(kind, name) {
      const found = values.get(keyOf(kind, name));
      if (found === undefined || found.until <= clock.now || found.text === '') {
        return { kind: 'nothing' };
      }
      return { kind: 'found', value: found };
    },
    async put(kind, name, value) {
      const key = keyOf(kind, name);
      const held = values.get(key);
      const older = held !== undefined && held.until > clock.now;
      if (older && (held.revision ?? 0) > (value.revision ?? 0)) return;
      values.set(key, {
        ...value,
        until: clock.now + kind.shared.ms * (1 - kind.shared.spread / 2),
      });
    },
    async forget(kind, name, revision) {
      await this.put(kind, name, { revision, text: '' });
    },
    async forgetUnder() {
      return { count: 0, whole: true };
    },
  };
}

const hits = ({ from: { process, shared, source } }: Replayed): number =>
  (process + shared) / (process + shared + source);
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
