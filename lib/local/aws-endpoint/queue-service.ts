import { createHash, randomUUID } from 'node:crypto';
import { type Service, textOf } from './server.ts';

/** Target of SQS's requests. */
export const QUEUES = 'AmazonSQS';

/** Emulates SendMessage; what is sent is delivered to `deliver` at once and kept nowhere. */
export function createQueueService(deliver: (queueUrl: string, body: string) => void): Service {
  return {
    SendMessage(input) {
      const body = textOf(input, 'MessageBody');
      deliver(textOf(input, 'QueueUrl'), body);
      return {
        MessageId: randomUUID(),
        MD5OfMessageBody: createHash('md5').update(body).digest('hex'),
      };
    },
  };
}
