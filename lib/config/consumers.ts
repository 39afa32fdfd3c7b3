import { relayedTopics, type TopicName } from './topics.ts';

/** A group that reads a topic and makes something of what it says. */
export interface ConsumerSpec {
  readonly group: string;
  readonly topic: TopicName;
  readonly about: string;
  /** What it loses track of is money, evidence or work: its dead letters are due within hours. */
  readonly critical: boolean;
  /**
   * What it does cannot be taken back by the database, so a batch is never tried as a whole: each message is, alone.
   * Default: a transaction has all of it.
   */
  readonly alone?: true;
}

export const CONSUMERS = {
  analytics: {
    group: 'analytics-pipeline',
    topic: 'workflow.events',
    about: 'counts executions by tenant, workflow and day',
    critical: false,
  },
  billing: {
    group: 'billing',
    topic: 'workflow.events',
    about: 'writes one record of use for each execution that has ended',
    critical: true,
  },
  'audit-events': {
    group: 'audit-processor',
    topic: 'workflow.events',
    about: 'tells the audit trail what became of executions, which no call of the API does',
    critical: true,
  },
  'cache-invalidation': {
    group: 'cache-invalidation',
    topic: 'cache.invalidation',
    about: 'has the cache forget what has changed',
    // What is forgotten late is at most as old as its kind may be.
    critical: false,
  },
  mail: {
    group: 'notification-service',
    topic: 'notifications.email',
    about: 'sends mail: invitations, new passwords and confirmations of addresses',
    // Somebody cannot come in without it.
    critical: true,
    alone: true,
  },
  'dead-letters': {
    group: 'ops-team-alerts',
    topic: 'dead-letter-queue',
    about: 'lists what a person must see to, beside the messages that readers laid aside',
    critical: true,
  },
} as const satisfies Record<string, ConsumerSpec>;

export type ConsumerName = keyof typeof CONSUMERS;
export const consumerNames = Object.keys(CONSUMERS) as ConsumerName[];

/** Those that may be handed everything again, for the database knows what it has taken in. */
export const replayedNames = consumerNames.filter((name) => !('alone' in CONSUMERS[name]));

/** Tries after the first, and real milliseconds before each. */
export const RETRY_PAUSES_MS = [250, 1_000, 4_000] as const;

/** Of a mail that may have left without our hearing of it, over all its deliveries and crashes. */
export const MOST_MAIL_TRIES = 1 + RETRY_PAUSES_MS.length;

/** Within which somebody must have handled a dead letter. */
export const DUE_MS = { critical: 4 * 3_600_000, other: 24 * 3_600_000 } as const;

/** What brings the outbox to Kafka, where there is one. */
export const RELAY_GROUP = 'relay';

/** Whom messages of the outbox wait for: the relay to Kafka, or where there is none the readers themselves. */
export function readersOfOutbox(at: {
  readonly kafka: boolean;
}): readonly { readonly group: string; readonly topic: TopicName }[] {
  if (at.kafka) return relayedTopics.map((topic) => ({ group: RELAY_GROUP, topic }));
  return consumerNames.map((name) => {
    const { group, topic } = CONSUMERS[name];
    return { group, topic };
  });
}
