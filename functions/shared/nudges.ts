import { SQSClient } from '@aws-sdk/client-sqs';
import { createNudges, type Nudges } from '#adapters/sqs/nudges.ts';
import type { Log } from '#ports/log.ts';

export function openNudges(env: { readonly NUDGES_QUEUE_URL: string }, log: Log): Nudges {
  return createNudges({ client: new SQSClient({}), queueUrl: env.NUDGES_QUEUE_URL, log });
}
