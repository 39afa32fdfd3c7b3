/** The thread that checks large definitions: one message in, one out. */
import { parentPort } from 'node:worker_threads';
import { checkDocument } from '#adapters/local/definition-checks.ts';
import type { CheckedMessage, CheckMessage } from './threaded-checks.ts';

parentPort?.on('message', ({ id, request }: CheckMessage) => {
  let answer: CheckedMessage;
  try {
    answer = { id, checked: checkDocument(request) };
  } catch (error) {
    // A slip of ours: the caller hears of it as of any other.
    answer = { id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
  parentPort?.postMessage(answer);
});
