import type { Json } from '#core/json.ts';

export type EvaluationResult =
  /** `value` is absent when the expression yields nothing (JSONata's undefined). */
  | { readonly ok: true; readonly value?: Json }
  | { readonly ok: false; readonly reason: EvaluationFailure; readonly message: string };

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

export function failed(reason: EvaluationFailure, message: string): EvaluationResult {
  return { ok: false, reason, message };
}
