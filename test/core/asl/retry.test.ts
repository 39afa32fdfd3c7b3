import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileMachine } from '#core/asl/compile.ts';
import { delaysOf, inexpressible, retrierOf } from '#core/asl/retry.ts';
import type { RetryPolicy, Step } from '#core/plan/program.ts';
import { call, programOf, steps } from './support.ts';

const policy = (more: Partial<RetryPolicy>): RetryPolicy => ({
  maxAttempts: 3,
  intervalMs: 2_000,
  rate: 2,
  maxIntervalMs: null,
  retryOn: null,
  ...more,
});

describe('the retrier of a step', () => {
  it('waits 2, 4 and 8 seconds by default and names what is retryable', () => {
    const { task } = steps([call('a', { config: { retry: { max_attempts: 3 } } })]);
    expect(task('a').Retry?.[1]).toEqual({
      ErrorEquals: [
        'CloudFlow.Timeout',
        'CloudFlow.ConnectionError',
        'CloudFlow.Throttled',
        'CloudFlow.ServerError',
        'CloudFlow.Transient',
        'CloudFlow.DatabaseUnavailable',
        'CloudFlow.SerializationFailure',
        'States.Timeout',
        'States.HeartbeatTimeout',
      ],
      IntervalSeconds: 2,
      BackoffRate: 2,
      MaxAttempts: 3,
    });
  });

  it('adds the names of retry_on', () => {
    const retry = { max_attempts: 1, retry_on: ['CloudFlow.ClientError'] };
    const { task } = steps([call('a', { config: { retry } })]);
    expect(task('a').Retry?.[1]?.ErrorEquals).toContain('CloudFlow.ClientError');
    expect(task('a').Retry?.[1]?.ErrorEquals).toContain('CloudFlow.Throttled');
  });

  it('is refused where whole seconds cannot say what the rules say', () => {
    const program = programOf([call('a', { config: { retry: { max_attempts: 3 } } })]);
    const [step] = program.root.steps;
    const uneven = { ...step, retry: policy({ intervalMs: 1_500 }) } as Step;
    const root = { ...program.root, steps: [uneven] };
    const result = compileMachine({ ...program, root });
    expect(result).toMatchObject({
      ok: false,
      problems: [{ code: 'E_ASL_RETRY', pointer: '/steps/0/config/retry' }],
    });
  });

  it('waits what the rules say, whatever the policy, or is refused', () => {
    const policies = fc.record({
      maxAttempts: fc.integer({ min: 1, max: 10 }),
      intervalMs: fc.oneof(
        fc.integer({ min: 1, max: 60 }).map((n) => n * 1_000),
        fc.integer({ min: 1, max: 100_000 }),
      ),
      rate: fc.constantFrom(1, 1.5, 2, 3, 10),
      maxIntervalMs: fc.option(fc.integer({ min: 1, max: 100 }).map((n) => n * 500)),
      retryOn: fc.constant(null),
    });
    fc.assert(
      fc.property(policies, (given) => {
        if (inexpressible(given) !== null) return;
        const retrier = retrierOf(given, ['X'], []);
        const amazon = delaysOf(given).map((_, n) => {
          const delay = (retrier?.IntervalSeconds ?? 0) * (retrier?.BackoffRate ?? 0) ** n;
          return Math.min(delay, retrier?.MaxDelaySeconds ?? Number.POSITIVE_INFINITY) * 1_000;
        });
        expect(amazon).toEqual(delaysOf(given));
        // AWS refuses a MaxDelaySeconds that is not over the interval.
        const { MaxDelaySeconds: cap, IntervalSeconds: first } = retrier ?? {};
        expect(cap === undefined || cap > (first ?? 0)).toBe(true);
      }),
      { seed: 7, numRuns: 500 },
    );
  });

  it('allows a fractional rate where no second delay exists or the cap hides it', () => {
    expect(inexpressible(policy({ maxAttempts: 1, intervalMs: 1_000, rate: 1.5 }))).toBeNull();
    expect(inexpressible(policy({ maxAttempts: 2, intervalMs: 1_000, rate: 1.5 }))).toContain(
      '1500',
    );
    expect(retrierOf(policy({ maxAttempts: 0 }), [], [])).toBeNull();
  });
});
