import type { EvaluatorPool, EvaluatorPoolOptions } from '#evaluator/pool.ts';
import { createEvaluatorPool } from '#evaluator/pool.ts';

/**
 * A pool of one quick process whose lanes are equal to the system. Beside other tests a process of
 * `probation` would have next to no processor and take minutes to start; where work goes is seen all
 * the same.
 */
export function startPool(options: Partial<EvaluatorPoolOptions> = {}): EvaluatorPool {
  const priorities = { quick: 'normal', heavy: 'normal', probation: 'normal' } as const;
  return createEvaluatorPool({ processes: 1, priorities, ...options });
}
