/**
 * Everything that wakes somebody: what is looked at, from where on it is an alarm, how urgent it is and
 * which runbook says what to do. Constructs, the dashboard of alarms and docs/operations.md are made of
 * this table, and tests hold that each signal is really measured and each runbook is there.
 *
 *  A1 every alarm is heard: by the topic of its priority, or by an alarm made of it;
 *  A2 a signal that is missing is no alarm, except where its silence is the news;
 *  A3 texts name resources of ours and nothing of tenants.
 */
import { SERIES_OF_AN_ALARM, type Series, type Signal, seriesOf } from '../signals.ts';

export const PRIORITIES = {
  P1: { about: 'customers cannot work, or data is wrong', withinMinutes: 0 },
  P2: { about: 'customers notice, or soon will', withinMinutes: 15 },
  P3: { about: 'nothing is lost yet', withinMinutes: 60 },
} as const;

export type Priority = keyof typeof PRIORITIES;

interface Described {
  /** In kebab case; the alarm is called `cloudflow-<stage>-<name>`. */
  readonly name: string;
  readonly priority: Priority;
  /** What it means, for whoever is woken. */
  readonly about: string;
  /** `docs/runbooks/<runbook>.md`. */
  readonly runbook: string;
}

export interface MetricAlarm extends Described {
  readonly kind: 'metric';
  readonly signal: Signal;
  readonly comparison: 'above' | 'below';
  readonly threshold: number;
  readonly unit: '%' | 'ms' | 'µs' | 's' | '';
  readonly periodSeconds: number;
  /** So many of `of` periods in a row must be bad. */
  readonly bad: number;
  readonly of: number;
  /** What no data means. */
  readonly missing: 'good' | 'bad';
  /** Heard through an alarm made of it, and not by itself. */
  readonly silent?: true;
}

/** Made of others: `all` of them at once, or `any`. */
export interface CompositeAlarm extends Described {
  readonly kind: 'all' | 'any';
  readonly of: readonly string[];
}

export type Alarm = MetricAlarm | CompositeAlarm;

export function isSilent(alarm: Alarm): boolean {
  return alarm.kind === 'metric' && alarm.silent === true;
}

export const MINUTE = 60;
export const HOUR = 3_600;
export const DAY = 86_400;

/**
 * An alarm of a metric, with what most of them have in common. Throws a sentence where it looks at more
 * than CloudWatch takes: a deployment would fail on it after everything else was made.
 */
export function metric(
  alarm: Omit<MetricAlarm, 'kind' | 'comparison' | 'missing'> &
    Partial<Pick<MetricAlarm, 'comparison' | 'missing'>>,
): MetricAlarm {
  const { length } = seriesOf(alarm.signal);
  if (length > SERIES_OF_AN_ALARM) {
    throw new TypeError(
      `the alarm ${alarm.name} looks at ${length} series; use ${SERIES_OF_AN_ALARM} or fewer, for CloudWatch takes no more`,
    );
  }
  return { kind: 'metric', comparison: 'above', missing: 'good', ...alarm };
}

/**
 * One for each of several things that tell something every minute while they are there: on when one of
 * them is silent. Each is asked by itself, for arithmetic over series says nothing of one that is gone.
 */
export function presence(
  alarm: Pick<Described, 'name' | 'priority' | 'about' | 'runbook'>,
  things: readonly Series[],
): readonly Alarm[] {
  const parts = things.map((each, i) =>
    metric({
      ...alarm,
      name: `${alarm.name}-${i + 1}`,
      about: `the part of ${alarm.name} that asks one of them`,
      signal: { kind: 'series', series: each },
      comparison: 'below',
      threshold: 1,
      unit: '',
      periodSeconds: MINUTE,
      bad: 10,
      of: 10,
      missing: 'bad',
      silent: true,
    }),
  );
  return [...parts, { ...alarm, kind: 'any', of: parts.map(({ name }) => name) }];
}
