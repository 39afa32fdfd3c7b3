import type { Json } from '#core/json.ts';

export type EvaluationResult =
  /** `value` is absent when the expression yields nothing (JSONata's undefined). */
  | { readonly ok: true; readonly value?: Json }
  | {
      readonly ok: false;
      readonly reason: EvaluationFailure;
      readonly message: string;
      /** There is a value, and rules 13 and 14 do not let it be kept: too large, or no JSON. */
      readonly unfit?: true;
    };

/**
 * Why an evaluation failed. All are `CloudFlow.ExpressionError` in an execution; the reason is for
 * people and tests. `wall_clock`, `memory` and `unavailable` are outside exact conformance.
 */
export type EvaluationFailure =
  | 'syntax'
  | 'fence'
  | 'error'
  | 'not_json'
  | 'non_finite'
  | 'too_large'
  | 'too_deep'
  | 'sequence'
  | 'wall_clock'
  | 'memory'
  | 'unavailable';

/** Thrown inside an evaluation where a limit or a rule ends it; never leaves `evaluate`. */
export class ExpressionFault extends Error {
  readonly reason: EvaluationFailure;

  constructor(reason: EvaluationFailure, message: string) {
    super(message);
    this.name = 'ExpressionFault';
    this.reason = reason;
  }
}

/** Ends an evaluation that has yielded its value, for what the value is. */
export class UnfitValue extends ExpressionFault {}

/** The answer to an evaluation that a fault has ended. */
export function faulted(fault: ExpressionFault): EvaluationResult {
  const { reason, message } = fault;
  return { ok: false, reason, message, ...(fault instanceof UnfitValue ? { unfit: true } : {}) };
}

export function failed(reason: EvaluationFailure, message: string): EvaluationResult {
  return { ok: false, reason, message };
}
