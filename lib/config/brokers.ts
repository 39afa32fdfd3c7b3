import { SERIES_OF_AN_ALARM } from './signals.ts';
import { TOPICS, type TopicName, topicNames } from './topics.ts';

/**
 * Types of brokers of MSK that a stage may have. An express one keeps its data where MSK sees to it,
 * and what it replicates is fixed: three copies, two of them written before a message is accepted.
 */
export const BROKER_TYPES = {
  'kafka.t3.small': { kind: 'standard', maxReplicas: 300 },
  'kafka.m7g.large': { kind: 'standard', maxReplicas: 1_000 },
  'kafka.m7g.2xlarge': { kind: 'standard', maxReplicas: 2_000 },
  'express.m7g.large': { kind: 'express', maxReplicas: 1_000 },
} as const satisfies Record<
  string,
  {
    readonly kind: 'standard' | 'express';
    /** Copies of partitions that AWS recommends for one broker; far above, it refuses to update it. */
    readonly maxReplicas: number;
  }
>;

export type BrokerType = keyof typeof BROKER_TYPES;

/** What a stage has of Kafka. */
export interface EventSettings {
  readonly broker: BrokerType;
  /** Of all zones together. */
  readonly brokers: number;
  /** Of each standard broker; it grows by itself and never shrinks. Null for express ones. */
  readonly storage: { readonly gigabytes: number; readonly maxGigabytes: number } | null;
  /** What a topic has at most: a partition costs memory whether it is used or not. */
  readonly maxPartitions: number;
  /** What one function has at most. */
  readonly maxPollers: number;
}

/** Partitions of Kafka's own topics, of offsets and of transactions. */
const INTERNAL_PARTITIONS = 100;
const EXPRESS_ZONES = 3;

/** Copies of every partition, and how many of them are written before a message is accepted. */
export function replicationOf({ brokers }: EventSettings): {
  readonly factor: number;
  readonly minInSync: number;
} {
  const factor = Math.min(3, brokers);
  // One fewer than there are, so that a broker may restart while others write.
  return { factor, minInSync: factor - 1 };
}

export function partitionsOf(topic: TopicName, { maxPartitions }: EventSettings): number {
  return Math.min(TOPICS[topic].partitions, maxPartitions);
}

/** Why no cluster can be made of these settings; null when one can. */
export function problemOfEvents(events: EventSettings, zones: number): string | null {
  const { broker, brokers, storage } = events;
  const { kind, maxReplicas } = BROKER_TYPES[broker];
  if (brokers < zones || brokers % zones !== 0) {
    return `it has ${brokers} brokers in ${zones} zones; use a multiple of ${zones}, for MSK has as many in each zone`;
  }
  if (brokers > SERIES_OF_AN_ALARM) {
    return `it has ${brokers} brokers; use ${SERIES_OF_AN_ALARM} or fewer and larger ones, for an alarm of CloudWatch looks at no more`;
  }
  if (kind === 'express' && zones !== EXPRESS_ZONES) {
    return `it has express brokers in ${zones} zones; use ${EXPRESS_ZONES} zones, or brokers of type kafka.*`;
  }
  if (kind === 'express' && storage !== null) {
    return 'it sets the storage of express brokers; clear events.storage, for MSK sees to it';
  }
  if (kind === 'standard' && storage === null) {
    return `it sets no storage of ${broker} brokers; set events.storage`;
  }
  if (storage !== null && storage.gigabytes > storage.maxGigabytes) {
    return `its brokers have ${storage.gigabytes} to ${storage.maxGigabytes} GB; use no more at least than at most`;
  }
  const partitions = topicNames
    .map((topic) => partitionsOf(topic, events))
    .reduce((sum, each) => sum + each, INTERNAL_PARTITIONS);
  const replicas = Math.ceil((partitions * replicationOf(events).factor) / brokers);
  if (replicas > maxReplicas) {
    return `each broker holds ${replicas} copies of partitions; ${broker} takes ${maxReplicas}: lower events.maxPartitions or add brokers`;
  }
  return null;
}
