/** Queues between functions: named once, made by the stacks, served in process by the local stack. */
export const QUEUES = {
  'step-functions-nudges': {
    about: 'there is something to start or to deliver on Step Functions; the message says nothing',
    /** As long as the consumer may take, times six (what Lambda asks of a queue). */
    visibilitySeconds: 360,
    /** A nudge that nobody heard is old news: the schedule has looked meanwhile. */
    retentionSeconds: 3_600,
    /** Tries before a message goes to the queue's own dead letters. */
    maxReceives: 3,
  },
} as const satisfies Record<
  string,
  {
    readonly about: string;
    readonly visibilitySeconds: number;
    readonly retentionSeconds: number;
    readonly maxReceives: number;
  }
>;

export type QueueName = keyof typeof QUEUES;

/** Where ticks of the clock end that came to nothing. No function reads it: people do. */
export const DEAD_TICKS = 'ticks-dead';
