import { SendMessageCommand, type SQSClient } from '@aws-sdk/client-sqs';
import type { Log } from '#ports/log.ts';
import type { SentHints } from '#ports/runtime-hints.ts';

/**
 * Hints for the driver of Step Functions, as messages of a queue: the message says nothing, the driver
 * looks. Many hints at once are one message. One that cannot be sent is logged, and the driver finds
 * the work at its next look. Engines are told by commands of their topic.
 */
export function createNudges(deps: {
  readonly client: SQSClient;
  readonly queueUrl: string;
  readonly log: Log;
}): SentHints {
  let sending: Promise<void> | null = null;
  let again = false;

  async function send(): Promise<void> {
    try {
      do {
        again = false;
        await deps.client.send(
          new SendMessageCommand({ QueueUrl: deps.queueUrl, MessageBody: '{}' }),
        );
      } while (again);
    } catch (error) {
      deps.log.warn('NUDGE_NOT_SENT', { error });
    }
    sending = null;
  }

  function nudge({ runtime }: { readonly runtime: string }): void {
    if (runtime !== 'step_functions') return;
    // What a message that is on its way was sent for was seen; what came since may not have been.
    if (sending !== null) again = true;
    else sending = Promise.resolve().then(send);
  }

  return {
    hints: { accepted: nudge, signalled: nudge },
    settled: () => sending ?? Promise.resolve(),
  };
}
