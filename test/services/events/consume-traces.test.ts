import { beforeEach, expect, it } from 'vitest';
import { createSilentLog } from '#adapters/local/json-log.ts';
import { createSystemClock } from '#adapters/local/system-clock.ts';
import { CONSUMERS } from '#config/consumers.ts';
import { NO_METRICS } from '#ports/metrics.ts';
import type { Tracer } from '#ports/tracer.ts';
import { createConsumer } from '#services/events/consume.ts';
import { aBatch, anExecutionEvent } from '#test/support/events.ts';

const AWAY = new Error('the database is away');
const parentOf = (n: number): string => String(n).padStart(16, '0');

/** An event that was caused within a trace, or within none. */
function traced(n: number | null) {
  const metadata = { source_service: 'workflow-engine', schema_version: '1.0' };
  const trace = `Root=1-67890008-aaaaaaaaaaaaaaaaaaaaaaaa;Parent=${parentOf(n ?? 0)};Sampled=1`;
  return anExecutionEvent(
    'workflow.execution.completed',
    {},
    {
      ...{ metadata: n === null ? metadata : { ...metadata, trace } },
    },
  );
}

let told: (readonly [parent: string | null | undefined, outcome: string])[];
const tracer: Tracer = {
  ambient: () => null,
  begin: (what, under) => ({
    trace: under,
    end(outcome, facts) {
      expect([what, facts]).toEqual([
        'event',
        { group: 'billing', event_type: 'workflow.execution.completed' },
      ]);
      told.push([under?.parent, outcome]);
    },
  }),
};

/** A reader that cannot use some of what comes, and has no database for other. */
function reader(bad: readonly string[], away: readonly string[]) {
  return createConsumer({
    spec: CONSUMERS.billing,
    projection: {
      async apply(events) {
        for (const { event_id } of events) {
          if (bad.includes(event_id)) throw new TypeError('it cannot be used');
          if (away.includes(event_id)) throw AWAY;
        }
        return events.length;
      },
    },
    deadLetters: { lay: async () => undefined },
    isUnavailable: (error) => error === AWAY,
    isFinal: () => true,
    clock: createSystemClock(),
    log: createSilentLog(),
    metrics: NO_METRICS,
    tracer,
  });
}

beforeEach(() => {
  told = [];
});

it('each event of a batch is told under what caused it, once, however the batch is taken apart', async () => {
  const events = [traced(1), traced(null), traced(2), traced(3)];
  const read = reader([events[2]?.event_id ?? ''], []);
  expect(await read(aBatch('workflow.events', events))).toBe(4);
  expect(told).toEqual([
    [parentOf(1), 'ok'],
    [parentOf(2), 'error'],
    [parentOf(3), 'ok'],
  ]);
});

it('what comes again is a fault until it is done with, and is told again then', async () => {
  const events = [traced(1), traced(2), traced(3)];
  const away = [events[1]?.event_id ?? ''];
  expect(await reader([], away)(aBatch('workflow.events', events))).toBe(0);
  expect(told).toEqual([1, 2, 3].map((n) => [parentOf(n), 'fault']));
  told = [];
  expect(await reader([], [])(aBatch('workflow.events', events))).toBe(3);
  expect(told).toEqual([1, 2, 3].map((n) => [parentOf(n), 'ok']));
});
