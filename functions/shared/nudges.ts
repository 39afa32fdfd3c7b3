import { SQSClient } from '@aws-sdk/client-sqs';
import { createNudges, type Nudges } from '#adapters/sqs/nudges.ts';
import type { Log } from '#ports/log.ts';

export function openNudges(env: { readonly NUDGES_QUEUE_URL: string }, log: Log): Nudges {
  return createNudges({ client: new SQSClient({}), queueUrl: env.NUDGES_QUEUE_URL, log });
}

/** Answers only when the nudges of the call are sent: what comes after the answer is frozen. */
export function settling<Args extends readonly unknown[], Result>(
  nudges: Nudges,
  handle: (...args: Args) => Promise<Result>,
): (...args: Args) => Promise<Result> {
  return (...args) => handle(...args).finally(() => nudges.settled());
}
