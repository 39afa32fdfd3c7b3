/** Every topic of the event log: what a deployment creates and what producers and consumers name. */
export interface Topic {
  readonly partitions: number;
  readonly retentionDays: number;
  readonly about: string;
}

export const TOPICS = {
  'workflow.commands': { partitions: 256, retentionDays: 1, about: 'what wakes the engine' },
  'workflow.events': { partitions: 32, retentionDays: 7, about: 'what becomes of executions' },
  'notifications.email': { partitions: 16, retentionDays: 3, about: 'mail to send' },
  'notifications.sms': { partitions: 8, retentionDays: 3, about: 'text messages to send' },
  'notifications.webhook': { partitions: 8, retentionDays: 3, about: 'webhooks to call' },
  'notifications.inapp': { partitions: 8, retentionDays: 3, about: 'messages inside the product' },
  'audit.logs': { partitions: 24, retentionDays: 90, about: 'who did what' },
  'cache.invalidation': { partitions: 8, retentionDays: 1, about: 'what caches must forget' },
  'dead-letter-queue': {
    partitions: 8,
    retentionDays: 30,
    about: 'messages that nobody could use',
  },
} as const satisfies Record<string, Topic>;

export type TopicName = keyof typeof TOPICS;
export const topicNames = Object.keys(TOPICS) as TopicName[];
