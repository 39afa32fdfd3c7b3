import {
  Admin,
  ConfigResourceTypes,
  IncrementalAlterConfigOperationTypes,
} from '@platformatic/kafka';
import { clientOptions, type KafkaAccess } from './connection.ts';

const DAY_MS = 86_400_000;

export interface WantedTopic {
  readonly name: string;
  readonly partitions: number;
  readonly retentionDays: number;
}

export interface Reconciled {
  readonly made: readonly string[];
  /** Those that got more partitions. */
  readonly grown: readonly string[];
  /** Those whose settings were others. */
  readonly changed: readonly string[];
}

/**
 * Makes topics that are missing, and gives the others the partitions and settings they must have. Nothing
 * is ever deleted: a topic with more partitions than it must have is refused, before anything is changed,
 * for keys would find others. Safe to repeat.
 */
export async function reconcileTopics(
  access: KafkaAccess,
  wanted: readonly WantedTopic[],
  replicas: { readonly factor: number; readonly minInSync: number },
): Promise<Reconciled> {
  const admin = new Admin(await clientOptions(access));
  try {
    const there = await partitionsThere(admin, wanted);
    const tooMany = wanted.filter(({ name, partitions }) => (there.get(name) ?? 0) > partitions);
    if (tooMany.length > 0) {
      const told = tooMany.map(
        ({ name, partitions }) =>
          `${name} has ${there.get(name)} partitions and must have ${partitions}`,
      );
      throw new TypeError(
        `${told.join('; ')}: partitions are never taken away; raise the number, or make a topic of another name`,
      );
    }
    const missing = wanted.filter(({ name }) => !there.has(name));
    for (const topic of missing) {
      await admin.createTopics({
        topics: [topic.name],
        partitions: topic.partitions,
        replicas: replicas.factor,
        configs: Object.entries(settingsOf(topic, replicas)).map(([name, value]) => ({
          name,
          value,
        })),
      });
    }
    const small = wanted.filter(({ name, partitions }) => {
      const count = there.get(name);
      return count !== undefined && count < partitions;
    });
    if (small.length > 0) {
      await admin.createPartitions({
        topics: small.map(({ name, partitions }) => ({
          name,
          count: partitions,
          assignments: null,
        })),
      });
    }
    const changed = await changeSettings(
      admin,
      wanted.filter(({ name }) => there.has(name)),
      replicas,
    );
    return {
      made: missing.map(({ name }) => name),
      grown: small.map(({ name }) => name),
      changed,
    };
  } finally {
    await admin.close().catch(() => undefined);
  }
}

async function partitionsThere(
  admin: Admin,
  wanted: readonly WantedTopic[],
): Promise<ReadonlyMap<string, number>> {
  const names = new Set(await admin.listTopics());
  const known = wanted.map(({ name }) => name).filter((name) => names.has(name));
  if (known.length === 0) return new Map();
  const { topics } = await admin.metadata({ topics: known, forceUpdate: true });
  return new Map(known.map((name) => [name, topics.get(name)?.partitionsCount ?? 0]));
}

function settingsOf(
  { retentionDays }: WantedTopic,
  { minInSync }: { readonly minInSync: number },
): Readonly<Record<string, string>> {
  return {
    'retention.ms': String(retentionDays * DAY_MS),
    'min.insync.replicas': String(minInSync),
  };
}

async function changeSettings(
  admin: Admin,
  topics: readonly WantedTopic[],
  replicas: { readonly minInSync: number },
): Promise<string[]> {
  if (topics.length === 0) return [];
  const described = await admin.describeConfigs({
    resources: topics.map(({ name }) => ({
      resourceType: ConfigResourceTypes.TOPIC,
      resourceName: name,
      configurationKeys: Object.keys(
        settingsOf({ name, partitions: 1, retentionDays: 1 }, replicas),
      ),
    })),
  });
  const resources = topics.flatMap((topic) => {
    const now = described.find(({ resourceName }) => resourceName === topic.name)?.configs ?? [];
    const configs = Object.entries(settingsOf(topic, replicas))
      .filter(([name, value]) => now.find((each) => each.name === name)?.value !== value)
      .map(([name, value]) => ({
        name,
        value,
        configOperation: IncrementalAlterConfigOperationTypes.SET,
      }));
    return configs.length === 0
      ? []
      : [{ resourceType: ConfigResourceTypes.TOPIC, resourceName: topic.name, configs }];
  });
  if (resources.length > 0) await admin.incrementalAlterConfigs({ resources });
  return resources.map(({ resourceName }) => resourceName);
}
