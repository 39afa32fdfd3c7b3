/**
 * Questions to whoever reads a topic, and their answers to the process that asked and to no other.
 *
 *  Q1 an answer reaches who asked or nobody: it names the question, its tenant and the process;
 *  Q2 nobody waits for longer than the limit, whatever brokers do;
 *  Q3 no answer says nothing of whether it was done: who asked may do it by itself, under the same id, and
 *     whoever is asked does what has an id once.
 */
export interface Requests {
  /** The value of the answer. Null: none came in time, or the log is away, and it may still be done. */
  ask(topic: string, question: Question): Promise<string | null>;
  close(): Promise<void>;
}

export interface Question {
  /** UUID v4, which the answer names. */
  readonly id: string;
  readonly tenant: string;
  /** As of messages: those with the same key stay in order. */
  readonly key: string;
  /** JSON. */
  readonly value: string;
}

/** What questions and answers carry beside their value. */
export const REQUEST_HEADERS = {
  /** The id of the question. */
  id: 'correlation-id',
  /** Of a question: the partition of answers that its asker reads. */
  replyTo: 'reply-to',
  /** Of a question: from when on nobody waits for it, in milliseconds since 1970. */
  deadline: 'deadline',
} as const;
