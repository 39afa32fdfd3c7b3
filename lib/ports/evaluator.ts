import type { EvaluationResult } from '#core/expr/outcome.ts';
import type { Json } from '#core/json.ts';

export type { EvaluationFailure, EvaluationResult } from '#core/expr/outcome.ts';

/**
 * Evaluates JSONata expressions outside this process. Expressions are hostile by assumption: an
 * implementation bounds time, memory and output, and a killed evaluation is an answer, not a throw.
 */
export interface Evaluator {
  /**
   * Evaluates every expression against the same bindings in one round trip and answers in order.
   * Never rejects for what an expression does; rejects with UNAVAILABLE when no evaluator can be had
   * (closed, its queue is full, or the tenant has too much waiting): the same may be asked again.
   */
  evaluate(request: EvaluationRequest): Promise<readonly EvaluationResult[]>;
  close(): Promise<void>;
}

export interface EvaluationRequest {
  /** Whose work this is: what one tenant's expressions cost must not be felt by the others. */
  readonly tenant: string;
  /** Sources without `{%` and `%}`. */
  readonly expressions: readonly string[];
  /** Variables by name without the dollar sign: `{ steps: {...}, input: ... }`. */
  readonly bindings: { readonly [name: string]: Json };
  /** `portable` is the language of definitions; `aws` adds what Step Functions alone has ($uuid, $random, $now, $millis, $eval is T1006). */
  readonly dialect: 'portable' | 'aws';
}
