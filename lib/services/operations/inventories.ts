/**
 * What a restore of the database does not bring back, written down while it is there.
 *
 *  V1 of secrets there are names and times here and never a value: nothing of ours asks for one.
 */
import { instant } from '#core/execution/bindings.ts';
import { OperationFailure } from '#core/operation-failure.ts';
import type { SecretFacts } from '#ports/recovery.ts';
import { keyOf, overwrite } from './notes.ts';
import { type HomeWorld, operationsOf } from './operation.ts';

const operation = operationsOf<HomeWorld>();
const DAY_MS = 86_400_000;
const SHOWN = 10;

export const INVENTORIES = {
  'secrets.export': operation({
    about: 'writes names, ages and rotation of all secrets, without their values',
    effect: 'note',
    parameters: {},
    async perform({ secrets, documents, facts, clock }, _, call) {
      const now = clock.now();
      const all = (await secrets.list(facts.secretsPrefix)).map((each) => described(each, now));
      const key = keyOf('secrets', 'inventory', now, call);
      await overwrite(documents, key, { at: instant(now), region: facts.region, secrets: all });
      const overdue = all.filter((each) => each.overdue).map(({ name }) => name);
      return {
        key,
        count: all.length,
        overdue: overdue.length,
        first_overdue: overdue.slice(0, SHOWN),
      };
    },
  }),

  'topics.export': operation({
    about: 'writes the settings of every topic',
    effect: 'note',
    parameters: {},
    async perform({ topics, documents, facts, clock }, _, call) {
      // Topics of a stage without Kafka are names in the registry, and have no settings.
      if (facts.topicsCluster === null) return { key: null, count: 0 };
      const now = clock.now();
      const all = await topics.list(facts.topicsCluster);
      if (all.length === 0) throw new OperationFailure('NotFound', 'the cluster has no topic');
      const key = keyOf('topics', 'settings', now, call);
      await overwrite(documents, key, {
        at: instant(now),
        region: facts.region,
        topics: all.map((topic) => ({ ...topic, settings: { ...topic.settings } })),
      });
      return { key, count: all.length };
    },
  }),
} as const;

function described(secret: SecretFacts, now: number) {
  const days = (at: number | null) => (at === null ? null : Math.floor((now - at) / DAY_MS));
  const { rotates, rotateAfterDays, rotatedAt, changedAt, createdAt, deletedAt } = secret;
  const age = days(rotatedAt ?? changedAt ?? createdAt);
  return {
    name: secret.name,
    created_at: orNull(createdAt),
    changed_at: orNull(changedAt),
    rotated_at: orNull(rotatedAt),
    next_rotation_at: orNull(secret.nextRotationAt),
    deleted_at: orNull(deletedAt),
    rotates,
    rotate_after_days: rotateAfterDays,
    age_days: age,
    overdue:
      deletedAt === null &&
      rotates &&
      rotateAfterDays !== null &&
      age !== null &&
      age > rotateAfterDays,
    primary_region: secret.primaryRegion,
  };
}

function orNull(at: number | null): string | null {
  return at === null ? null : instant(at);
}
