import { SQSClient } from '@aws-sdk/client-sqs';
import type { Pool } from 'pg';
import { guarded } from '#adapters/aws/guarded.ts';
import { createCommands } from '#adapters/postgres/commands.ts';
import type { Partitions } from '#adapters/postgres/partitions.ts';
import { createNudges } from '#adapters/sqs/nudges.ts';
import type { SentHints } from '#ports/runtime-hints.ts';
import type { Basics } from './process.ts';

/** Wakes the driver of Step Functions by its queue, and engines by their topic. */
export function openHints(
  basics: Pick<Basics, 'clock' | 'ids' | 'log' | 'metrics' | 'codec'>,
  env: { readonly NUDGES_QUEUE_URL: string },
  store: { readonly pool: Pool; readonly partitions: Partitions },
): SentHints {
  const nudges = createNudges({
    client: guarded('queues', new SQSClient({}), basics),
    queueUrl: env.NUDGES_QUEUE_URL,
    log: basics.log,
  });
  const commands = createCommands({ ...basics, ...store });
  return {
    hints: {
      accepted(hint) {
        nudges.hints.accepted(hint);
        commands.hints.accepted(hint);
      },
      signalled(hint) {
        nudges.hints.signalled(hint);
        commands.hints.signalled(hint);
      },
    },
    async settled() {
      await Promise.all([nudges.settled(), commands.settled()]);
    },
  };
}
