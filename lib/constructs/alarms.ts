import {
  Alarm,
  type AlarmBase,
  AlarmRule,
  ComparisonOperator,
  CompositeAlarm,
  type IAlarmRule,
  type IMetric,
  MathExpression,
  Metric,
  TreatMissingData,
} from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { Duration } from 'aws-cdk-lib/core';
import type { Construct } from 'constructs';
import {
  type Alarm as AlarmSpec,
  isSilent,
  type MetricAlarm,
  type Priority,
} from '#config/alarms/alarm.ts';
import type { Ids, Series, Signal } from '#config/signals.ts';

/** Makes the alarms of the table. Those that others are made of come before them. */
export function makeAlarms(
  scope: Construct,
  stage: string,
  alarms: readonly AlarmSpec[],
  topics: { readonly [P in Priority]: ITopic },
  ids: Ids = {},
): void {
  const made = new Map<string, AlarmBase>();
  const inIncident = new Set(alarms.flatMap((each) => (each.kind === 'any' ? each.of : [])));
  for (const spec of alarms) {
    const alarm =
      spec.kind === 'metric'
        ? metricAlarm(scope, stage, spec, ids)
        : new CompositeAlarm(scope, idOf(spec.name), {
            compositeAlarmName: `cloudflow-${stage}-${spec.name}`,
            alarmDescription: describe(spec),
            alarmRule: ruleOf(
              spec.kind,
              spec.of.map((name) => {
                const part = made.get(name);
                if (part === undefined) throw new TypeError(`${spec.name} is made of ${name}`);
                return part;
              }),
            ),
          });
    made.set(spec.name, alarm);
    // What is urgent wakes people once, by the alarm of all that is.
    if (isSilent(spec) || inIncident.has(spec.name)) continue;
    const action = new SnsAction(topics[spec.priority]);
    alarm.addAlarmAction(action);
    alarm.addOkAction(action);
  }
}

function ruleOf(kind: 'all' | 'any', parts: readonly IAlarmRule[]): IAlarmRule {
  return kind === 'all' ? AlarmRule.allOf(...parts) : AlarmRule.anyOf(...parts);
}

function metricAlarm(scope: Construct, stage: string, spec: MetricAlarm, ids: Ids): Alarm {
  return new Alarm(scope, idOf(spec.name), {
    alarmName: `cloudflow-${stage}-${spec.name}`,
    alarmDescription: describe(spec),
    metric: metricOf(spec.signal, Duration.seconds(spec.periodSeconds), ids),
    threshold: spec.threshold,
    comparisonOperator:
      spec.comparison === 'above'
        ? ComparisonOperator.GREATER_THAN_THRESHOLD
        : ComparisonOperator.LESS_THAN_THRESHOLD,
    evaluationPeriods: spec.of,
    datapointsToAlarm: spec.bad,
    treatMissingData:
      spec.missing === 'good' ? TreatMissingData.NOT_BREACHING : TreatMissingData.BREACHING,
  });
}

/** What whoever is woken reads first. */
function describe({ about, priority, runbook }: AlarmSpec): string {
  return `${priority}: ${about}. What to do: docs/runbooks/${runbook}.md`;
}

export function metricOf(signal: Signal, period: Duration, ids: Ids, label?: string): IMetric {
  const one = ({ namespace, name: metricName, dimensions, statistic }: Series): Metric =>
    new Metric({
      namespace,
      metricName,
      dimensionsMap: Object.fromEntries(
        Object.entries(dimensions).map(([name, value]) => [name, ids[value] ?? value]),
      ),
      statistic,
      period,
      ...(label === undefined || signal.kind === 'math' ? {} : { label }),
    });
  if (signal.kind === 'series') return one(signal.series);
  return new MathExpression({
    expression: signal.expression,
    usingMetrics: Object.fromEntries(
      Object.entries(signal.of).map(([id, series]) => [id, one(series)]),
    ),
    period,
    ...(label === undefined ? {} : { label }),
  });
}

function idOf(name: string): string {
  return name.replaceAll(/(?:^|-)([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
