import type { StepDeps } from '#steps/deps.ts';
import { performCall } from '#steps/perform-call.ts';
import { performCompensation } from '#steps/perform-compensation.ts';
import type { StepPerformer } from './deps.ts';

/** The one implementation of steps, as the engine calls it. */
export function createStepPerformer(deps: StepDeps): StepPerformer {
  return {
    call: (call) => performCall(deps, call),
    compensate: (call) => performCompensation(deps, call),
  };
}
