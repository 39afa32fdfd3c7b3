import { type StepError, type StepErrorName, stepErrorCode } from '#core/errors.ts';
import type { Step } from '#core/plan/program.ts';

/**
 * What CloudFlow itself says when something fails, each sentence once: expressions read it as
 * `$steps.<id>.error.message`, so it is part of the language and the same on both runtimes (R41).
 *
 * F1 A sentence holds only what both runtimes know: the program, values of the execution, answers
 *    from outside. What a platform says about itself goes to the log.
 * F2 No message has more than MESSAGE_CHARS characters: Step Functions carries no more than 32 KiB of
 *    an error, escapes included.
 */
export const MESSAGE_CHARS = 1_024;

/** A message within its bound, cut between characters. */
export function errorMessage(text: string): string {
  if (text.length <= MESSAGE_CHARS) return text;
  const cut = text.slice(0, MESSAGE_CHARS);
  return cut.isWellFormed() ? cut : cut.slice(0, -1);
}

function failure(name: StepErrorName, message: string): StepError {
  return { code: stepErrorCode(name), message: errorMessage(message) };
}

export const failures = {
  /** `message`: the evaluator's, or what a template says of a value. */
  expression: (message: string) => failure('ExpressionError', message),
  outputTooLarge: (bytes: number, limit: number) =>
    failure('OutputTooLarge', `the output has ${bytes} bytes of at most ${limit}`),
  compensationTooLarge: (bytes: number, limit: number) =>
    failure('OutputTooLarge', `the compensation's config has ${bytes} bytes of at most ${limit}`),
  tooManyItems: (count: number, limit: number) =>
    failure('TooManyItems', `${count} items where at most ${limit} are allowed`),
  iterations: (failed: number, total: number) =>
    failure('IterationFailed', `${failed} of ${total} iterations failed`),
  arm: (arm: string) => failure('ArmFailed', `a step of arm ${arm} failed`),
  group: () => failure('GroupFailed', 'a step of the body failed'),
  loop: () => failure('IterationFailed', 'a step of the body failed'),
  loopLimit: (iterations: number) =>
    failure('LoopLimitExceeded', `the test still holds after ${iterations} iterations`),
  rejected: (by: string) => failure('ApprovalRejected', `rejected by ${by}`),
  childEnded: (executionId: string, status: string) =>
    failure('SubWorkflowFailed', `child ${executionId} ended ${status}`),
  /** More than Amazon takes at once, which the static budgets should have refused. */
  tooLargeToCarry: () => failure('OutputTooLarge', 'more than Step Functions can carry'),
  attemptTimedOut: (timeoutMs: number) => failure('Timeout', `no result within ${timeoutMs} ms`),
  busy: () => failure('Transient', 'the platform was too busy'),
  /** The platform's own trouble, or a fault of ours: what it is, only our log says. */
  internal: () => failure('Internal', 'a part of the platform failed'),
} as const;

/** Why a step that waits has ended without an answer; of one that does not wait, why its attempt has. */
export function timedOut(step: Step): StepError {
  switch (step.type) {
    case 'approval':
      return failure('Timeout', `no answer within ${step.timeoutMs} ms`);
    case 'callback':
      return failure(
        'Timeout',
        step.heartbeatMs === null || step.heartbeatMs >= step.timeoutMs
          ? `not called back within ${step.timeoutMs} ms`
          : `not called back within ${step.timeoutMs} ms, or no heartbeat within ${step.heartbeatMs} ms`,
      );
    case 'sub_workflow':
      return failure('Timeout', `the child did not end within ${step.timeoutMs} ms`);
    default:
      return 'retry' in step
        ? failures.attemptTimedOut(step.timeoutMs)
        : failure('Timeout', 'it was not done in time');
  }
}
