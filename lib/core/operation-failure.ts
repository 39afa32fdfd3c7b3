import { type StepErrorName, stepErrorCode } from './errors.ts';

/**
 * What an operation of the platform could not do, under a name of the language: a step that fails with
 * it is retried, or not, like any other.
 */
export class OperationFailure extends Error {
  readonly error: { readonly code: string; readonly message: string };

  constructor(name: StepErrorName, message: string, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause });
    this.name = 'OperationFailure';
    this.error = { code: stepErrorCode(name), message };
  }
}
