import { CloudFlowError } from '#core/errors.ts';
import type { Runtime, RuntimeChoice } from '#core/plan/program.ts';
import type { ResolvedRuntime } from '#ports/workflow-store.ts';

export interface ChosenRuntime {
  readonly runtime: Runtime;
  readonly asked: RuntimeChoice;
  /** Why, when it was ours to choose. */
  readonly reason: string | null;
}

/** The runtime of an execution: what was asked for, or what `auto` means for this version here. */
export function chooseRuntime(
  resolved: ResolvedRuntime,
  asked: RuntimeChoice | undefined,
  available: ReadonlySet<Runtime>,
): ChosenRuntime {
  const choice = asked ?? resolved.choice;
  if (choice === 'auto') {
    if (available.has(resolved.auto)) {
      return { runtime: resolved.auto, asked: choice, reason: resolved.reason };
    }
    const other = resolved.auto === 'engine' ? 'step_functions' : 'engine';
    if (available.has(other) && runsOn(resolved, other)) {
      const reason = `${resolved.auto} is not part of this installation`;
      return { runtime: other, asked: choice, reason };
    }
    throw unavailable(resolved.auto);
  }
  if (!available.has(choice)) throw unavailable(choice);
  if (!runsOn(resolved, choice)) {
    throw new CloudFlowError(
      'RUNTIME_UNAVAILABLE',
      `this version does not run on step_functions (${resolved.stepFunctionsProblems.join(', ')}); use engine`,
      { details: { reasons: resolved.stepFunctionsProblems } },
    );
  }
  return { runtime: choice, asked: choice, reason: null };
}

function runsOn(resolved: ResolvedRuntime, runtime: Runtime): boolean {
  return runtime === 'engine' || resolved.stepFunctionsProblems.length === 0;
}

function unavailable(runtime: Runtime): CloudFlowError {
  return new CloudFlowError(
    'RUNTIME_UNAVAILABLE',
    `the runtime ${runtime} is not part of this installation`,
  );
}
