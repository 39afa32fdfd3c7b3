import { type StepError, type StepErrorName, stepErrorCode } from '#core/errors.ts';

/** Ends an attempt with a named error. Thrown and caught within this folder only. */
export class StepFailure extends Error {
  readonly error: StepError;

  constructor(error: StepError) {
    super(error.message);
    this.name = 'StepFailure';
    this.error = error;
  }
}

export function stepFailure(name: StepErrorName, message: string): StepFailure {
  return new StepFailure({ code: stepErrorCode(name), message });
}

export function invalidConfig(message: string): StepFailure {
  return stepFailure('InvalidConfig', message);
}
