import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkWorkflow } from '#core/check-workflow.ts';
import { EXAMPLE_PER_DAY, type Fleet, runtimeCosts, usdOfTaskDay } from '#core/cost/runtimes.ts';

const FLEET: Fleet = { cpu: 4_096, memoryMb: 8_192, minTasks: 12, maxTasks: 24 };
const RUNNER_MB = 1_769;

function checked(calls: number) {
  const steps = Array.from({ length: calls }, (_, i) => ({
    id: `call-${i}`,
    type: 'http_request',
    config: { url: 'https://example.com/', method: 'GET' },
    ...(i === 0 ? {} : { depends_on: [`call-${i - 1}`] }),
  }));
  const good = checkWorkflow({ workflow_id: 'chain', version: '1.0.0', steps });
  if (!good.ok) throw new TypeError(JSON.stringify(good.problems));
  return good;
}

const costsAt = (perDay: number, calls = 5, fleet = FLEET) => {
  const { report } = checked(calls);
  return runtimeCosts(report, report.machine, { perDay, fleet, runnerMb: RUNNER_MB });
};

describe('what a definition costs on each runtime', () => {
  it('on Step Functions: its transitions, and the step runner for as long as it works', () => {
    const { report } = checked(5);
    const { stepFunctions } = costsAt(EXAMPLE_PER_DAY);
    expect(stepFunctions?.usdOfTransitions).toBe(report.machine?.usdPerMillion);
    expect(stepFunctions?.transitions).toBe(report.machine?.transitions.happy);
    // Five calls of 300 ms and a report, each with 40 ms of the runner's own, on 1,769 MB.
    expect(report.machine?.tasks.happy).toBe(6);
    expect(report.machine?.runnerMs.happy).toBe(5 * 300 + 6 * 40);
    const seconds = 1.74 * (1_769 / 1_024) * 0.0000133334;
    expect(stepFunctions?.usdOfRunner).toBeCloseTo((6 * 0.2e-6 + seconds) * 1e6, 1);
    expect(stepFunctions?.usdPerMillion).toBeCloseTo(
      (stepFunctions?.usdOfTransitions ?? 0) + (stepFunctions?.usdOfRunner ?? 0),
      2,
    );
  });

  it('on the engine: its share of the tasks that run day and night', () => {
    const { engine } = costsAt(EXAMPLE_PER_DAY);
    expect(engine.tasks).toBe(12);
    // 12 tasks of 4 vCPU at 0.03238 and 8 GB at 0.00356 dollars an hour.
    expect(engine.usdPerDay).toBeCloseTo(12 * 24 * (4 * 0.03238 + 8 * 0.00356), 1);
    expect(engine.usdPerMillion).toBeCloseTo(engine.usdPerDay / 2.5, 1);
    expect(costsAt(EXAMPLE_PER_DAY / 10).engine.usdPerMillion).toBeCloseTo(
      engine.usdPerDay / 0.25,
      1,
    );
  });

  it('tasks are added for a volume that the least of them cannot take, and then there are no more', () => {
    expect(costsAt(1_000_000_000, 20).engine).toMatchObject({ usdPerMillion: null, tasks: 24 });
    const { engine } = costsAt(150_000_000, 20);
    expect(engine.tasks).toBeGreaterThan(12);
    expect(engine.usdPerMillion).not.toBeNull();
  });

  it('a definition that Step Functions cannot run has no break-even', () => {
    const { report } = checked(5);
    const costs = runtimeCosts(report, null, { perDay: 1, fleet: FLEET, runnerMb: RUNNER_MB });
    expect([costs.stepFunctions, costs.breakEvenPerDay]).toEqual([null, null]);
  });

  it('at the break-even both cost the same, and a little beyond it the engine less', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 12 }),
        (calls, min) => {
          const fleet = { ...FLEET, minTasks: min };
          const { breakEvenPerDay } = costsAt(1, calls, fleet);
          if (breakEvenPerDay === null) throw new TypeError('no break-even');
          const { engine, stepFunctions } = costsAt(breakEvenPerDay, calls, fleet);
          const ofStepFunctions = ((stepFunctions?.usdPerMillion ?? 0) * breakEvenPerDay) / 1e6;
          expect(engine.usdPerDay).toBeLessThanOrEqual(ofStepFunctions + 0.01);
          expect(engine.usdPerDay).toBeGreaterThan(ofStepFunctions - usdOfTaskDay(fleet));
        },
      ),
      { numRuns: 50, seed: 20261126 },
    );
  });
});
