/**
 * What a drill, or a real disaster, showed: from a timeline to how long it took and what was lost, held
 * against the objectives. Pure.
 */

import type { Static } from 'typebox';
import * as Type from 'typebox';
import { OBJECTIVES } from '#config/recovery.ts';
import { validatePiece } from '#core/dsl/validate.ts';
import type { Problem } from '#core/errors.ts';
import { isJsonObject } from '#core/json.ts';

/** What each scenario is held to besides the objectives of the whole, in seconds. */
export const SCENARIOS = {
  zone: { about: 'one availability zone is lost', detection: 30, recovery: 300 },
  database: { about: 'the writer of the database is lost', detection: 30, recovery: 60 },
  region: {
    about: 'a whole region is lost',
    detection: 120,
    recovery: OBJECTIVES.recoveryTimeSeconds,
  },
  corruption: { about: 'data is damaged', detection: null, recovery: 3 * 3_600 },
} as const satisfies Record<
  string,
  { readonly about: string; readonly detection: number | null; readonly recovery: number }
>;
export type Scenario = keyof typeof SCENARIOS;

const Instant = Type.String({
  pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(\\.\\d{1,6})?(Z|[+-]\\d\\d:\\d\\d)$',
  allowed: "RFC 3339 with a zone, such as '2026-12-15T02:00:00Z'",
});
const closed = <P extends Parameters<typeof Type.Object>[0]>(properties: P) =>
  Type.Object(properties, { additionalProperties: false });

const TimelineSchema = closed({
  scenario: Type.Unsafe<Scenario>({ type: 'string', enum: Object.keys(SCENARIOS) }),
  title: Type.String({ minLength: 1, maxLength: 200 }),
  failed_at: Instant,
  detected_at: Instant,
  recovered_at: Instant,
  last_kept_at: Type.Optional(Instant),
  events: Type.Optional(
    Type.Array(closed({ at: Instant, what: Type.String({ minLength: 1, maxLength: 500 }) }), {
      maxItems: 500,
    }),
  ),
  issues: Type.Optional(
    Type.Array(
      closed({ what: Type.String({ minLength: 1, maxLength: 500 }), resolved: Type.Boolean() }),
      { maxItems: 100 },
    ),
  ),
});

/**
 * The instants of one drill. `failed_at`: service was lost, or data was damaged. `recovered_at`:
 * everything works again, verified. `last_kept_at`: what was committed until then is there; absent:
 * nothing was lost.
 */
export type Timeline = Static<typeof TimelineSchema>;

export interface DrillReport {
  readonly scenario: Scenario;
  readonly title: string;
  readonly detection_seconds: number;
  /** RTO, as it was. */
  readonly recovery_time_seconds: number;
  /** RPO, as it was. */
  readonly recovery_point_seconds: number;
  readonly verdicts: readonly Verdict[];
  readonly met: boolean;
  readonly open_issues: number;
}

export interface Verdict {
  readonly what: 'recovery point' | 'recovery time' | 'time of the scenario' | 'detection';
  readonly seconds: number;
  readonly allowed_seconds: number;
  readonly met: boolean;
}

/** Total: any value gives a timeline or all that is wrong with it. */
export function readTimeline(
  value: unknown,
):
  | { readonly ok: true; readonly timeline: Timeline }
  | { readonly ok: false; readonly problems: readonly Problem[] } {
  if (!isJsonObject(value)) {
    const problem = { code: 'E_SCHEMA', pointer: '', message: 'a timeline is an object' };
    return { ok: false, problems: [problem] };
  }
  const { problems } = validatePiece(TimelineSchema, value, '');
  if (problems.length > 0) return { ok: false, problems };
  const timeline = value as unknown as Timeline;
  const disorder = disorderOf(timeline);
  return disorder.length > 0 ? { ok: false, problems: disorder } : { ok: true, timeline };
}

const ORDER = ['failed_at', 'detected_at', 'recovered_at'] as const;

function disorderOf(timeline: Timeline): Problem[] {
  const problems: Problem[] = [];
  for (const name of [...ORDER, 'last_kept_at'] as const) {
    const given = timeline[name];
    if (given !== undefined && Number.isNaN(Date.parse(given))) {
      problems.push({
        code: 'E_SCHEMA',
        pointer: `/${name}`,
        message: 'there is no such instant',
        given,
      });
    }
  }
  for (const [i, name] of ORDER.entries()) {
    const before = ORDER[i - 1];
    // What is no instant was said above: a comparison with it is false, so it is not said twice.
    if (before === undefined || !(Date.parse(timeline[before]) > Date.parse(timeline[name])))
      continue;
    problems.push({
      code: 'E_SCHEMA',
      pointer: `/${name}`,
      message: `it is before ${before}`,
      given: timeline[name],
      allowed: `${timeline[before]} or later`,
    });
  }
  return problems;
}

export function judge(timeline: Timeline): DrillReport {
  const failed = Date.parse(timeline.failed_at);
  const since = (instant: string): number => Math.max(0, (Date.parse(instant) - failed) / 1_000);
  const target = SCENARIOS[timeline.scenario];
  const detection = since(timeline.detected_at);
  const time = since(timeline.recovered_at);
  const kept = timeline.last_kept_at === undefined ? failed : Date.parse(timeline.last_kept_at);
  const point = Math.max(0, (failed - kept) / 1_000);
  const verdicts: Verdict[] = [
    verdict('recovery point', point, OBJECTIVES.recoveryPointSeconds),
    verdict('recovery time', time, OBJECTIVES.recoveryTimeSeconds),
    verdict('time of the scenario', time, target.recovery),
    ...(target.detection === null ? [] : [verdict('detection', detection, target.detection)]),
  ];
  return {
    scenario: timeline.scenario,
    title: timeline.title,
    detection_seconds: detection,
    recovery_time_seconds: time,
    recovery_point_seconds: point,
    verdicts,
    met: verdicts.every(({ met }) => met),
    open_issues: (timeline.issues ?? []).filter(({ resolved }) => !resolved).length,
  };
}

function verdict(what: Verdict['what'], seconds: number, allowed: number): Verdict {
  return { what, seconds, allowed_seconds: allowed, met: seconds <= allowed };
}
