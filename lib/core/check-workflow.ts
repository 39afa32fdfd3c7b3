import type { CompileOptions, MachineStats } from '#core/asl/compile.ts';
import { compileMachine } from '#core/asl/compile.ts';
import type { Machine } from '#core/asl/types.ts';
import type { WorkflowDefinition } from '#core/dsl/schema.ts';
import type { Problem } from '#core/errors.ts';
import { type CheckOptions, checkDefinition } from '#core/plan/check.ts';
import type { Program, Runtime } from '#core/plan/program.ts';
import type { PlanReport } from '#core/plan/report.ts';

export interface CheckWorkflowOptions extends CheckOptions, CompileOptions {
  /** What `auto` means where both runtimes can do it; a stage may set it. */
  readonly preferred?: Runtime;
}

/** Everything that can be said of a workflow before it runs. */
export interface WorkflowReport extends PlanReport {
  readonly choice: RuntimeChoiceReport;
  /** Null when no machine could be written. */
  readonly machine: MachineStats | null;
}

export interface RuntimeChoiceReport {
  readonly runtime: Runtime;
  /** Why, in words. */
  readonly reason: string;
  /** Why Step Functions cannot run it (E_ASL_*); empty when it can. */
  readonly obstacles: readonly Problem[];
}

export type CheckedWorkflow =
  | {
      readonly ok: true;
      readonly definition: WorkflowDefinition;
      readonly program: Program;
      readonly runtime: Runtime;
      /** Null when Step Functions cannot run it. */
      readonly machine: Machine | null;
      readonly warnings: readonly Problem[];
      readonly report: WorkflowReport;
    }
  | {
      readonly ok: false;
      readonly problems: readonly Problem[];
      readonly warnings: readonly Problem[];
    };

/**
 * Checks a definition, compiles it and chooses its runtime: the one function behind the API's
 * validation and the command line. Total. What Step Functions cannot do is an error only for a
 * definition that asks for it; otherwise it is the reason why the engine was chosen.
 */
export function checkWorkflow(
  document: unknown,
  options: CheckWorkflowOptions = {},
): CheckedWorkflow {
  const checked = checkDefinition(document, options);
  if (!checked.ok) return checked;
  const { definition, program, warnings } = checked;
  const compiled = compileMachine(program, options);
  const obstacles = compiled.ok ? [] : compiled.problems;
  if (program.runtime === 'step_functions' && obstacles.length > 0) {
    return { ok: false, problems: obstacles, warnings };
  }
  const choice = choose(program, obstacles, options.preferred ?? 'step_functions');
  return {
    ok: true,
    definition,
    program,
    runtime: choice.runtime,
    machine: compiled.ok ? compiled.machine : null,
    warnings,
    report: { ...checked.report, choice, machine: compiled.stats },
  };
}

function choose(
  program: Program,
  obstacles: readonly Problem[],
  preferred: Runtime,
): RuntimeChoiceReport {
  if (program.runtime !== 'auto') {
    const reason = 'the definition asks for it';
    return { runtime: program.runtime, reason, obstacles };
  }
  if (obstacles.length > 0) {
    const reasons = obstacles.map(({ message }) => message).join('; ');
    return { runtime: 'engine', reason: `Step Functions cannot run it: ${reasons}`, obstacles };
  }
  const reason =
    preferred === 'step_functions'
      ? 'it compiles for Step Functions within all limits'
      : 'both runtimes can run it, and this stage prefers the engine';
  return { runtime: preferred, reason, obstacles };
}
