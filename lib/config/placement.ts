import type { Stage } from './stages.ts';

/**
 * Executions a day that are expected on Step Functions. A workflow is hot when its definition says so
 * (`runtime: engine`); all others go to Step Functions, and what they cost is reckoned with this many. Twice
 * as many, for hours, is a hot workflow that does not say so: an alarm tells it.
 */
export const STEP_FUNCTIONS_PER_DAY: { readonly [S in Stage]: number } = {
  dev: 500,
  staging: 10_000,
  // Of 2,500,000.
  prod: 50_000,
};

/** In an hour, beyond which somebody looks which workflow it is. */
export function manyOnStepFunctions(stage: Stage): number {
  return Math.ceil((2 * STEP_FUNCTIONS_PER_DAY[stage]) / 24);
}
