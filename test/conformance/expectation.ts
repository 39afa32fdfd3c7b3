import { expect } from 'vitest';
import type { StepReport } from '#core/execution/report.ts';
import type { ConformanceCase } from './case.ts';
import { violations } from './compare.ts';
import type { RunResult } from './harness.ts';

/** Holds a run against everything that its case says. */
export function expectCase(one: ConformanceCase, run: RunResult): void {
  const wanted = one.expect;
  const { report } = run.root;
  expect(violations(run)).toEqual([]);
  const verdicts = Object.entries(report.steps).map(([key, step]) => [key, verdictOf(step)]);
  expect(Object.fromEntries(verdicts)).toEqual(wanted.steps);
  expect(report.status).toBe(wanted.status);
  if (wanted.error !== undefined) expect(report.error?.code).toBe(wanted.error);
  if (wanted.compensation !== undefined) expect(report.compensation).toBe(wanted.compensation);
  if ('output' in wanted) expect(report.output).toEqual(wanted.output);
  const outputs = Object.keys(wanted.outputs ?? {}).map((key) => [key, report.steps[key]?.output]);
  expect(Object.fromEntries(outputs)).toEqual(wanted.outputs ?? {});
  for (const [key, attempts] of Object.entries(wanted.attempts ?? {})) {
    expect([key, report.steps[key]?.attempts]).toEqual([key, attempts]);
  }
  for (const [key, times] of Object.entries(wanted.calls ?? {})) {
    expect([key, callsOf(run, key).length]).toEqual([key, times]);
  }
  for (const [key, times] of Object.entries(wanted.call_times ?? {})) {
    expect([key, callsOf(run, key).map(({ at }) => at)]).toEqual([key, times]);
  }
  if (wanted.compensations !== undefined) {
    expect(report.compensations.map(({ step }) => step)).toEqual(wanted.compensations);
  }
  for (const [path, most] of Object.entries(wanted.max_in_flight ?? {})) {
    expect([path, run.inFlight.get(path) ?? 0]).toEqual([path, most]);
  }
  for (const [first, second] of wanted.before ?? []) expectBefore(run, first, second);
  const codes = (one.world?.signals ?? []).map(({ refused }) => refused ?? null);
  expect(run.refusals.map(({ code }) => code)).toEqual(codes);
  if (wanted.duration_ms !== undefined) expect(run.durationMs).toBe(wanted.duration_ms);
}

export function verdictOf(step: StepReport): string {
  const detail = step.error?.code ?? step.reason;
  return detail === null ? String(step.class) : `${step.class} ${detail}`;
}

function callsOf(run: RunResult, key: string) {
  return run.calls.filter((call) => call.executionId === run.rootId && call.key === key);
}

function expectBefore(run: RunResult, first: string, second: string): void {
  const at = (key: string, types: readonly string[]) =>
    run.root.events.find(
      ({ event }) => 'step' in event && event.step === key && types.includes(event.type),
    )?.at;
  const end = at(first, ['step_succeeded', 'step_failed', 'step_skipped']);
  const start = at(second, ['step_started', 'step_skipped']);
  expect([first, second, end !== undefined && start !== undefined && end <= start]).toEqual([
    first,
    second,
    true,
  ]);
}
