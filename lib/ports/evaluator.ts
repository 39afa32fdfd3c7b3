import type { Json } from '#core/json.ts';

/**
 * Evaluates JSONata expressions outside this process. Expressions are hostile by assumption: an
 * implementation bounds time, memory and output, and a killed evaluation is an answer, not a throw.
 */
export interface Evaluator {
  /**
   * Evaluates every expression against the same bindings in one round trip and answers in order.
   * Never rejects for what an expression does; rejects only when no evaluator can be had at all
   * (closed, or its queue is full).
   */
  evaluate(request: EvaluationRequest): Promise<readonly EvaluationResult[]>;
  close(): Promise<void>;
}

export interface EvaluationRequest {
  /** Whose work this is: one tenant holds at most one slot of the pool. */
  readonly tenant: string;
  /** Sources without `{%` and `%}`. */
  readonly expressions: readonly string[];
  /** Variables by name without the dollar sign: `{ steps: {...}, input: ... }`. */
  readonly bindings: { readonly [name: string]: Json };
  /** `portable` is the language of definitions; `aws` adds what Step Functions alone has ($uuid, $random, $now, $millis, $eval is T1006). */
  readonly dialect: 'portable' | 'aws';
}

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
