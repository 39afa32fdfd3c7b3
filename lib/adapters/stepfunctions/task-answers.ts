import {
  InvalidToken,
  SendTaskFailureCommand,
  SendTaskHeartbeatCommand,
  SendTaskSuccessCommand,
  type SFNClient,
  TaskDoesNotExist,
  TaskTimedOut,
} from '@aws-sdk/client-sfn';
import type { StateMachines, StopReason } from '#ports/state-machines.ts';

export type TaskAnswers = Pick<
  StateMachines,
  'sendTaskSuccess' | 'sendTaskFailure' | 'sendTaskHeartbeat'
>;

const MAX_ERROR = 256;
const MAX_CAUSE = 32_768;

/** Answers tasks that wait for a token. */
export function createTaskAnswers(client: SFNClient): TaskAnswers {
  return {
    sendTaskSuccess: (taskToken, output) =>
      sent(client.send(new SendTaskSuccessCommand({ taskToken, output: JSON.stringify(output) }))),
    sendTaskFailure: (taskToken, reason) =>
      sent(client.send(new SendTaskFailureCommand({ taskToken, ...clipped(reason) }))),
    sendTaskHeartbeat: (taskToken) =>
      sent(client.send(new SendTaskHeartbeatCommand({ taskToken }))),
  };
}

async function sent(asked: Promise<unknown>): Promise<'sent' | 'gone'> {
  try {
    await asked;
    return 'sent';
  } catch (error) {
    const gone = [TaskTimedOut, TaskDoesNotExist, InvalidToken];
    if (gone.some((type) => error instanceof type)) return 'gone';
    throw error;
  }
}

export function clipped({ error, cause }: StopReason): StopReason {
  return { error: error.slice(0, MAX_ERROR), cause: cause.slice(0, MAX_CAUSE) };
}
