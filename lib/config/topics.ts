/** Every topic of the event log: what a deployment creates and what producers and consumers name. */
export interface Topic {
  /** Those of a small stage may be fewer: `partitionsOf`. They can be added to, and never taken away. */
  readonly partitions: number;
  readonly retentionDays: number;
  /** Who reads it, each at its own pace. */
  readonly groups: readonly string[];
  /** How long a producer waits for more before it writes: what nobody waits for shares a request. */
  readonly lingerMs: number;
  readonly about: string;
}

export const TOPICS = {
  'workflow.commands': {
    partitions: 256,
    retentionDays: 1,
    groups: ['workflow-engine'],
    lingerMs: 0,
    about: 'what wakes the engine',
  },
  'workflow.replies': {
    partitions: 8,
    retentionDays: 1,
    // A process reads its own partition for as long as it waits for an answer.
    groups: [],
    lingerMs: 0,
    about: 'what engines answer to who asked them',
  },
  'workflow.events': {
    partitions: 32,
    retentionDays: 7,
    groups: ['analytics-pipeline', 'audit-processor', 'billing', 'notification-service'],
    lingerMs: 5,
    about: 'what becomes of executions',
  },
  'notifications.email': {
    partitions: 16,
    retentionDays: 3,
    groups: ['notification-service'],
    lingerMs: 5,
    about: 'mail to send',
  },
  'notifications.sms': {
    partitions: 8,
    retentionDays: 3,
    groups: ['notification-service'],
    lingerMs: 5,
    about: 'text messages to send',
  },
  'notifications.webhook': {
    partitions: 8,
    retentionDays: 3,
    groups: ['notification-service'],
    lingerMs: 5,
    about: 'webhooks to call',
  },
  'notifications.inapp': {
    partitions: 8,
    retentionDays: 3,
    groups: ['notification-service'],
    lingerMs: 5,
    about: 'messages inside the product',
  },
  'audit.logs': {
    partitions: 24,
    retentionDays: 90,
    groups: ['audit-processor', 'security-monitor'],
    lingerMs: 100,
    about: 'who did what',
  },
  'cache.invalidation': {
    partitions: 8,
    retentionDays: 1,
    groups: ['cache-invalidation'],
    lingerMs: 0,
    about: 'what caches must forget',
  },
  'dead-letter-queue': {
    partitions: 8,
    retentionDays: 30,
    groups: ['ops-team-alerts'],
    lingerMs: 100,
    about: 'messages that nobody could use',
  },
} as const satisfies Record<string, Topic>;

export type TopicName = keyof typeof TOPICS;

/** What wakes engines. */
export const COMMANDS_TOPIC = 'workflow.commands' satisfies TopicName;
/** What engines answer, to who asked through the topic of commands. */
export const REPLIES_TOPIC = 'workflow.replies' satisfies TopicName;
export const topicNames = Object.keys(TOPICS) as TopicName[];
/** Those that the outbox may hold messages for. */
export const relayedTopics = topicNames.filter((name) => name !== REPLIES_TOPIC);
