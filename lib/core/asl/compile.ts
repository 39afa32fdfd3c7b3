import type { Problem } from '#core/errors.ts';
import { pointerTo, utf8Length } from '#core/json.ts';
import type { Program, Scope } from '#core/plan/program.ts';
import { allSteps, scopesOf } from '#core/plan/program.ts';
import { checkMachine } from './check-machine.ts';
import type { MachineCosts } from './costs.ts';
import { costsOf } from './costs.ts';
import { emitEnd } from './emit-end.ts';
import { inexpressible } from './retry.ts';
import { tidy } from './tidy.ts';
import { emitScope } from './tree.ts';
import type { Chart, Machine } from './types.ts';
import { chartsOf } from './types.ts';
import type { Place } from './writing.ts';
import { newAslScope, newWriting, startOf } from './writing.ts';

export interface CompileOptions {
  /** Name or ARN of the function that every Task invokes; a definition substitution by default. */
  readonly stepRunner?: string;
  /**
   * The machine is started directly and not by the accept path, as the platform's own are: every task
   * then tells the runner what is run, with which input and since when.
   */
  readonly unaccepted?: boolean;
  /**
   * The machine goes on from an execution that failed (a retry): every step first asks the runner
   * whether its result was carried over. What conditions and triggers would say now is no matter then.
   */
  readonly continues?: boolean;
}

export interface MachineStats extends MachineCosts {
  readonly states: number;
  /** UTF-8 bytes of the machine as it is sent to AWS. */
  readonly bytes: number;
  /** Orderings that the machine adds to the graph. */
  readonly barriers: number;
}

export type CompileResult =
  | { readonly ok: true; readonly machine: Machine; readonly stats: MachineStats }
  /** Why this program cannot run on Step Functions; `stats` when a machine could be written at all. */
  | {
      readonly ok: false;
      readonly problems: readonly Problem[];
      readonly stats: MachineStats | null;
    };

/** What a deployment replaces with the function's ARN (`DefinitionSubstitutions`). */
// biome-ignore lint/suspicious/noTemplateCurlyInString: AWS's own notation
export const STEP_RUNNER = '${StepRunner}';
/** AWS refuses definitions over 1 MB; below that there is room for ARNs and tags. */
export const MACHINE_BYTES = 900 * 1_024;
/** AWS ends an execution at 25,000; infrastructure repetitions are not in the estimate. */
export const HISTORY_EVENTS = 20_000;

/**
 * From a checked program to a state machine. Total: whatever a program holds, the answer is a machine
 * that passes our own checks, or the reasons why there is none.
 */
export function compileMachine(program: Program, options: CompileOptions = {}): CompileResult {
  const refused = [...retryProblems(program), ...barrierProblems(program.root)];
  const written = write(program, options);
  if (!written.ok) return { ok: false, problems: [...refused, written.problem], stats: null };
  const { machine, stats } = written;
  const problems = [...refused, ...limitProblems(stats), ...checkMachine(machine)];
  return problems.length > 0 ? { ok: false, problems, stats } : { ok: true, machine, stats };
}

type Written =
  | {
      readonly ok: true;
      readonly machine: Machine;
      readonly stats: MachineStats;
    }
  | { readonly ok: false; readonly problem: Problem };

function write(program: Program, options: CompileOptions): Written {
  try {
    const writing = newWriting(program, emitScope, {
      stepRunner: options.stepRunner ?? STEP_RUNNER,
      unaccepted: options.unaccepted ?? false,
      continues: options.continues ?? false,
    });
    const asl = newAslScope(writing, null);
    const place: Place = {
      scope: program.root,
      outer: null,
      asl,
      path: '',
      indices: [],
      item: null,
      index: null,
      loop: null,
    };
    const start = startOf(place, { known: new Map(), pending: new Set() });
    emitEnd(writing, place, emitScope(writing, place, [start]));
    const machine: Machine = {
      Comment: `${program.workflowId} ${program.version}`,
      QueryLanguage: 'JSONata',
      ...(program.timeoutMs === null
        ? {}
        : { TimeoutSeconds: Math.ceil(program.timeoutMs / 1_000) }),
      ...tidy(asl.chart),
    };
    const stats: MachineStats = {
      ...costsOf(asl.chart, writing.hints),
      states: countStates(machine),
      bytes: utf8Length(JSON.stringify(machine)),
      barriers: countBarriers(program.root),
    };
    return { ok: true, machine, stats };
  } catch (error) {
    // Emitters throw TypeErrors for programs that no checked definition yields. The promise to
    // answer with a problem holds for our own mistakes as well.
    const message = error instanceof Error ? error.message : String(error);
    return { ok: false, problem: { code: 'E_ASL_INTERNAL', pointer: '', message } };
  }
}

function limitProblems(stats: MachineStats): Problem[] {
  const problems: Problem[] = [];
  if (stats.bytes > MACHINE_BYTES) {
    problems.push({
      code: 'E_ASL_SIZE',
      pointer: '/steps',
      message: `the state machine has ${stats.bytes} bytes`,
      given: String(stats.bytes),
      allowed: `at most ${MACHINE_BYTES} bytes; split the workflow with sub_workflow`,
    });
  }
  if (stats.events.worst > HISTORY_EVENTS) {
    problems.push({
      code: 'E_ASL_HISTORY',
      pointer: '/steps',
      message: `an execution may write ${stats.events.worst} history events`,
      given: String(stats.events.worst),
      allowed: `at most ${HISTORY_EVENTS}; lower max_items, max_iterations or max_attempts`,
    });
  }
  return problems;
}

function retryProblems(program: Program): Problem[] {
  const problems: Problem[] = [];
  for (const step of allSteps(program.root)) {
    const reason = 'retry' in step ? inexpressible(step.retry) : null;
    if (reason === null) continue;
    problems.push({
      code: 'E_ASL_RETRY',
      pointer: pointerTo(step.pointer, 'config', 'retry'),
      message: `step '${step.path}': ${reason}`,
      allowed: 'whole seconds, at least 1, between any two calls',
    });
  }
  return problems;
}

/** A barrier behind something slow would make steps wait for what they do not depend on. */
function barrierProblems(scope: Scope): Problem[] {
  const problems: Problem[] = [];
  for (const { slow } of scope.barriers) {
    if (slow.length === 0) continue;
    const pairs = slow.map(([x, y]) => `'${idAt(scope, y)}' for '${idAt(scope, x)}'`);
    const late = scope.steps[slow[0]?.[1] ?? 0];
    problems.push({
      code: 'E_ASL_BARRIER_SLOW',
      pointer: late?.pointer ?? '/steps',
      message: `on Step Functions these would wait without depending on it: ${pairs.join(', ')}`,
      given: slow.map(([x, y]) => `${idAt(scope, x)} before ${idAt(scope, y)}`).join('; '),
      allowed: 'add the dependency, take one away, put the steps into a group, or use the engine',
    });
  }
  for (const step of scope.steps) {
    for (const [, inner] of scopesOf(step)) problems.push(...barrierProblems(inner));
  }
  return problems;
}

function idAt(scope: Scope, position: number): string {
  return scope.steps[position]?.id ?? String(position);
}

function countStates(chart: Chart): number {
  return Object.values(chart.States).reduce(
    (sum, state) => sum + 1 + chartsOf(state).reduce((inner, part) => inner + countStates(part), 0),
    0,
  );
}

function countBarriers(scope: Scope): number {
  return scope.steps.reduce(
    (sum, step) => sum + scopesOf(step).reduce((n, [, inner]) => n + countBarriers(inner), 0),
    scope.barriers.length,
  );
}
