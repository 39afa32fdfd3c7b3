import { indicatorOf } from '../indicator.ts';
import { resourceNames } from '../resources.ts';
import { SERVICE_LEVEL } from '../service-level.ts';
import { aws, math, ours, series } from '../signals.ts';
import type { StageSettings } from '../stage-settings.ts';
import { type Alarm, HOUR, MINUTE, metric, type Priority } from './alarm.ts';

const BUDGET_PERCENT = 100 - SERVICE_LEVEL.objectivePercent;
/** Requests that may fail in a minute before a rate is taken for one: one of three is no outage. */
const FEW_FAILURES = 5;

export function apiAlarms({ stage }: StageSettings): readonly Alarm[] {
  const { api, apiStage } = resourceNames(stage);
  const at = { ApiName: api, Stage: apiStage };
  return [
    metric({
      name: 'api-errors',
      priority: 'P1',
      about: 'more than 1 % of the requests to the API fail by our fault',
      runbook: 'api-errors',
      signal: math(`IF(failed >= ${FEW_FAILURES}, 100 * failed / all, 0)`, indicatorOf(stage)),
      threshold: 1,
      unit: '%',
      periodSeconds: MINUTE,
      bad: 2,
      of: 3,
    }),
    metric({
      name: 'audit-not-told',
      priority: 'P1',
      about: 'calls cannot be told to the audit trail, so changes are refused',
      runbook: 'audit',
      signal: series(ours(stage, 'AuditNotTold', 'Sum', {})),
      threshold: 0,
      unit: '',
      periodSeconds: 5 * MINUTE,
      bad: 1,
      of: 1,
    }),
    metric({
      name: 'api-latency',
      priority: 'P2',
      about: 'one of a hundred requests to the API takes longer than 500 ms',
      runbook: 'api-latency',
      signal: series(aws('AWS/ApiGateway', 'Latency', 'p99', at)),
      threshold: 500,
      unit: 'ms',
      periodSeconds: 5 * MINUTE,
      bad: 3,
      of: 3,
    }),
  ];
}

/**
 * Two windows each: the long one says that the budget of the month is really going, the short one that
 * it still is. 14.4 times the budget is 2 % of it in an hour, 6 times is 5 % in six hours.
 */
export function objectiveAlarms({ stage }: StageSettings): readonly Alarm[] {
  const burn = (
    name: string,
    priority: Priority,
    times: number,
    windows: readonly [number, number],
  ): readonly Alarm[] => {
    const parts = (['long', 'short'] as const).map((window, i) =>
      metric({
        name: `${name}-${window}`,
        priority,
        about: `the ${window} window of ${name}`,
        runbook: 'error-budget',
        signal: math(`IF(failed >= ${FEW_FAILURES}, 100 * failed / all, 0)`, indicatorOf(stage)),
        threshold: rounded(times * BUDGET_PERCENT),
        unit: '%',
        periodSeconds: windows[i] as number,
        bad: 1,
        of: 1,
        silent: true,
      }),
    );
    return [
      ...parts,
      {
        kind: 'all',
        name,
        priority,
        about: `the budget of errors of the month is spent ${times} times too fast`,
        runbook: 'error-budget',
        of: parts.map((part) => part.name),
      },
    ];
  };
  return [
    ...burn('error-budget-fast', 'P1', 14.4, [HOUR, 5 * MINUTE]),
    ...burn('error-budget-slow', 'P2', 6, [6 * HOUR, 30 * MINUTE]),
  ];
}

/** Of floating point: 14.4 times 0.1 is 1.44. */
function rounded(percent: number): number {
  return Math.round(percent * 1_000) / 1_000;
}
