import { SQSClient } from '@aws-sdk/client-sqs';
import { type GuardDeps, guarded } from '#adapters/aws/guarded.ts';
import { createNudges, type Nudges } from '#adapters/sqs/nudges.ts';
import type { Log } from '#ports/log.ts';

export function openNudges(
  basics: GuardDeps & { readonly log: Log },
  env: { readonly NUDGES_QUEUE_URL: string },
): Nudges {
  return createNudges({
    client: guarded('queues', new SQSClient({}), basics),
    queueUrl: env.NUDGES_QUEUE_URL,
    log: basics.log,
  });
}
