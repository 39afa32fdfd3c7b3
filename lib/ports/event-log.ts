/**
 * A log of messages by topic, read by groups at their own pace.
 *
 *  V1 what `append` resolved for is kept, in the order of its calls for each key;
 *  V2 a group gets every message at least once, those of one partition in order: a place is committed
 *     only when everything before it was handled, and a group that nobody has read begins at the earliest;
 *  V3 at a time one reader of a group has a partition; when it dies another goes on from what it committed;
 *  V4 a message that cannot be handled yet holds back those behind it in its partition and no others.
 */
export interface EventLog {
  /** Durable when it resolves. Throws `EventLogError`: whole or in part, it may be there all the same. */
  append(topic: string, messages: readonly NewMessage[]): Promise<void>;
  /** Begins to read; never throws for a log that is away, which is tried again until `close`. */
  subscribe(reader: LogReader): LogSubscription;
  /**
   * Moves a group that nobody reads at the moment to the first messages of `at` or later (milliseconds);
   * 0: to the earliest there are. What was handled since is handled again.
   */
  seek(group: string, topic: string, at: number): Promise<void>;
  /** Closes all subscriptions, and what was appended is on its way. */
  close(): Promise<void>;
}

export interface NewMessage {
  readonly tenant: string;
  /** Messages of a tenant with the same key stay in order. */
  readonly key: string;
  /** JSON. */
  readonly value: string;
  /** Short ASCII texts by name. */
  readonly headers: Readonly<Record<string, string>>;
  /** Absent: the one of its key. A topic that has but one takes no notice. */
  readonly partition?: number;
}

export interface LogMessage {
  /** Null: whoever wrote it said none. */
  readonly tenant: string | null;
  readonly key: string;
  /** As it was written: nobody has looked whether it is JSON. */
  readonly value: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Where it is in its partition, as the log writes it. */
  readonly offset: string;
  /** When it was written, in milliseconds. */
  readonly at: number;
}

export interface LogBatch {
  readonly topic: string;
  readonly partition: number;
  /** In order, at least one. */
  readonly messages: readonly LogMessage[];
}

export interface LogReader {
  readonly group: string;
  readonly topic: string;
  /** Messages at a time, at most `EVENT_LOG_LIMITS.batch`. */
  readonly most: number;
  /**
   * Answers how many from the first on are handled; what is left comes again after a pause. Throwing is
   * answering 0.
   */
  handle(batch: LogBatch): Promise<number>;
}

export interface LogSubscription {
  /** Resolves when the batch under way is handled and committed, and its partitions are given back. */
  close(): Promise<void>;
}

export const EVENT_LOG_LIMITS = {
  /** Of key, value and headers, in UTF-8. Brokers take 1 MiB with what they add themselves. */
  messageBytes: 1_000_000,
  /** Messages of one call of `append`. */
  appended: 10_000,
  /** What waits to be written in one process, in bytes. */
  waitingBytes: 64_000_000,
  /** Messages of one batch to a reader. */
  batch: 2_000,
} as const;

export type EventLogErrorCode =
  | 'MESSAGE_TOO_LARGE'
  | 'EVENT_LOG_FULL'
  | 'EVENT_LOG_AWAY'
  | 'GROUP_IS_READING';

export class EventLogError extends Error {
  readonly code: EventLogErrorCode;
  constructor(code: EventLogErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = 'EventLogError';
    this.code = code;
  }
}
