import type { QueueName } from './queues.ts';
import type { TopicName } from './topics.ts';

/** What starts a function. The stacks make each of these, and the local stack does their work in process. */
export type Trigger =
  /** Routes of the contract by tag, behind API Gateway. */
  | { readonly kind: 'http'; readonly tags: readonly string[] }
  /** Everything that API Gateway says of WebSockets, and its question who may connect. */
  | { readonly kind: 'socket' }
  /**
   * Asked by API Gateway about the credential of a call, before anything else is started for it; what
   * it answers is kept for at most a minute, for that is how long a key may outlive its end at the door.
   */
  | { readonly kind: 'authorizer'; readonly keptSeconds: number }
  /** Invoked by Task states of compiled machines, with `StepRunnerPayload`. */
  | { readonly kind: 'machine-task' }
  | { readonly kind: 'schedule'; readonly everyMinutes: number }
  | {
      readonly kind: 'queue';
      readonly queue: QueueName;
      readonly batchSize: number;
      /** Invocations at a time that the mapping makes; 2 is the least that AWS allows. */
      readonly maxConcurrency: number;
    }
  | KafkaTrigger
  /** Ends of executions of the machines of workflows, as EventBridge tells them. */
  | { readonly kind: 'machine-status'; readonly statuses: readonly string[] }
  /** Invoked by Task states of the platform's own machines, with `StepRunnerPayload`. */
  | { readonly kind: 'platform-task' }
  /** By the minute, in the region that waits: what is lost of it the next one makes good. */
  | { readonly kind: 'watch'; readonly everyMinutes: number }
  /** Invoked by operations of the platform on itself. */
  | { readonly kind: 'operation' }
  /** Invoked by the deployment, which fails when it fails; lower `order` first. */
  | {
      readonly kind: 'deploy';
      readonly order: number;
      /** Not where a lost region is taken over: it writes what can only be read there until it is promoted. */
      readonly atHome?: true;
    };

/**
 * Messages of a topic, from the earliest on. A batch may fail in part; what failed is tried again
 * `KAFKA_LIMITS.retries` times, alone in the end, and then goes to `deadLetters`.
 */
export interface KafkaTrigger {
  readonly kind: 'kafka';
  readonly topic: TopicName;
  /** One of the groups that the topic names. */
  readonly group: string;
  /** Messages at a time, at most `KAFKA_LIMITS.batchSize`. */
  readonly batchSize: number;
  /** Pollers of Lambda, each for 5 MB a second or 5 invocations at a time; a stage may allow fewer. */
  readonly pollers: { readonly least: number; readonly most: number };
  /** Null: what cannot be used is tried again until the topic forgets it. */
  readonly deadLetters: TopicName | null;
}

export const KAFKA_LIMITS = {
  batchSize: 500,
  /** After the first try. */
  retries: 3,
  /** Lambda polls for no function that may run longer. */
  functionSeconds: 840,
} as const;
