import { failureMessage, RUNNER_UNAVAILABLE } from '#core/asl/payload.ts';
import type { StepError } from '#core/errors.ts';

/**
 * What the runner throws: the name is what Retry and Catch of the machine see, the message carries
 * the attempts first (`failureMessage`).
 */
export class RunnerFailure extends Error {
  readonly error: StepError;
  readonly attempts: number;
  /** Its name and its message are the tenant's words: no log may have them. */
  readonly ofTenant = true;

  constructor(error: StepError, attempts: number) {
    super(failureMessage({ attempts, message: error.message }));
    this.name = error.code;
    this.error = error;
    this.attempts = attempts;
  }
}

/** A part of ours is away: the machine repeats the task, and no attempt is counted (rule 18). */
export function unavailable(cause: unknown): Error {
  const error = new Error('a part of the platform is away', { cause });
  error.name = RUNNER_UNAVAILABLE;
  return error;
}

/** The log says that the engine runs this execution: a machine that began all the same does nothing (T3). */
export class RunsOnEngine extends Error {
  constructor(executionId: string) {
    super(`execution ${executionId} runs on the engine`);
    this.name = 'RunsOnEngine';
  }
}
