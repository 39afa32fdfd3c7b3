/**
 * What is looked at, written down and told wherever operations run.
 *
 *  N1 a key holds when and by which execution, so a repeat writes over its own document and no other's.
 */
import * as Type from 'typebox';
import { instant } from '#core/execution/bindings.ts';
import type { Json } from '#core/json.ts';
import { OperationFailure } from '#core/operation-failure.ts';
import type { Documents } from '#ports/recovery.ts';
import { judge, readTimeline, SCENARIOS, type Scenario } from './drill.ts';
import { type OperationCall, operationsOf, type World } from './operation.ts';

const operation = operationsOf<World>();

const DAY_MS = 86_400_000;
const TRIES = 3;
const SHOWN = 5;
const Instant = Type.Union([Type.String({ minLength: 1 }), Type.Null()]);

export const NOTES = {
  'integrity.check': operation({
    about: 'holds executions against their logs: of the database of this region, or of a copy',
    effect: 'look',
    parameters: {
      host: Type.Optional(Type.Union([Type.String({ minLength: 1 }), Type.Null()])),
      executions: Type.Optional(Type.Integer({ minimum: 1, maximum: 100_000 })),
    },
    async perform({ integrity, clock }, { host = null, executions = 500 }) {
      const seed = Math.floor(clock.now() / DAY_MS);
      const report = await integrity.check({ host, executions, seed });
      const { violations } = report;
      // What passes between steps has a budget.
      return {
        ...report,
        violations: Array.isArray(violations) ? violations.slice(0, SHOWN) : [],
      };
    },
  }),

  'report.write': operation({
    about: 'writes what an execution found, and how long it took, held against the objectives',
    effect: 'note',
    parameters: {
      scenario: Type.Unsafe<Scenario>({ type: 'string', enum: Object.keys(SCENARIOS) }),
      title: Type.String({ minLength: 1 }),
      failed_at: Type.String({ minLength: 1 }),
      detected_at: Type.String({ minLength: 1 }),
      last_kept_at: Type.Optional(Instant),
      recovered: Type.Boolean(),
      found: Type.Optional(Type.Unsafe<Json>({})),
    },
    async perform(world, { last_kept_at = null, recovered, found = null, ...given }, call) {
      const now = instant(world.clock.now());
      const read = readTimeline({
        ...given,
        recovered_at: now,
        ...(last_kept_at === null ? {} : { last_kept_at }),
      });
      if (!read.ok) {
        const said = read.problems.map(({ pointer, message }) => `${pointer}: ${message}`);
        throw new OperationFailure('InvalidConfig', said.join('; '));
      }
      const { timeline } = read;
      // What did not recover met nothing, however fast it failed.
      const report = recovered ? judge(timeline) : null;
      const key = keyOf('reports', given.scenario, world.clock.now(), call);
      await overwrite(world.documents, key, {
        execution: call.executionId,
        recovered,
        timeline: { ...timeline },
        report:
          report === null ? null : { ...report, verdicts: report.verdicts.map((v) => ({ ...v })) },
        found,
      });
      return {
        key,
        met: report?.met ?? false,
        recovery_time_seconds: report?.recovery_time_seconds ?? null,
        recovery_point_seconds: report?.recovery_point_seconds ?? null,
      };
    },
  }),

  announce: operation({
    about: 'tells whoever operates the platform',
    effect: 'note',
    parameters: {
      subject: Type.String({ minLength: 1 }),
      about: Type.Optional(Type.Unsafe<Json>({})),
    },
    async perform({ announcements, facts }, { subject, about = null }, { executionId }) {
      const text = JSON.stringify({ execution: executionId, region: facts.region, about }, null, 2);
      await announcements.say(`CloudFlow ${facts.stage}: ${subject}`, text);
      return { told: true };
    },
  }),
} as const;

/** Where a document of this execution lies, by day. */
export function keyOf(
  folder: string,
  name: string,
  at: number,
  { executionId }: OperationCall,
): string {
  const [day = ''] = instant(at).split('T');
  return `${folder}/${day.replaceAll('-', '/')}/${name}-${executionId}.json`;
}

export async function overwrite(documents: Documents, key: string, value: Json): Promise<void> {
  const text = JSON.stringify(value, null, 2);
  let over: string | null = null;
  for (let tries = 0; tries < TRIES; tries++) {
    if ((await documents.write(key, text, over)) !== null) return;
    over = (await documents.read(key))?.version ?? null;
  }
  throw new OperationFailure('Transient', `${key} is being written by somebody else`);
}
