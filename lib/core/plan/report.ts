import type { Graph } from '#core/plan/graph.ts';
import type { OutlineScope, OutlineStep } from '#core/plan/outline.ts';
import { criticalPath, type Pace } from '#core/plan/pace.ts';
import {
  allSteps,
  type Barrier,
  type Program,
  type RuntimeChoice,
  type Scope,
  type SeriesParallel,
  type Step,
  type StepType,
  scopesOf,
} from '#core/plan/program.ts';

/**
 * What can be said of a workflow before it runs. What its state machine would be like (states,
 * transitions, events, bytes, price) is reported by core/asl, which makes it.
 */
export interface PlanReport {
  readonly workflowId: string;
  readonly version: string;
  readonly hash: string;
  /** As the definition asks. What `auto` becomes depends on the machine and on quotas. */
  readonly runtime: RuntimeChoice;
  readonly steps: readonly StepReport[];
  readonly criticalPath: { readonly steps: readonly string[]; readonly estimateMs: number };
  readonly barriers: readonly BarrierReport[];
  /** Most calls that one execution can make, retries included, by step type. */
  readonly calls: { readonly [T in StepType]?: number };
  readonly totalCalls: number;
  /** Bytes of all records of an execution when every output is as large as its budget. */
  readonly recordBytes: number;
}

export interface StepReport {
  readonly path: string;
  readonly type: StepType;
  readonly no: number;
  readonly pointer: string;
  readonly maxOutputBytes: number;
  readonly live: boolean;
  readonly slow: boolean;
  readonly estimateMs: number;
  /** Times it can run in one execution: iterations of all containers around it. */
  readonly runs: number;
  /** Most calls in one execution; 0 for steps that call nothing. */
  readonly calls: number;
}

/** A place where Step Functions has to wait for more than the graph says. */
export interface BarrierReport {
  /** Path of the container; empty for the workflow's own list. */
  readonly scope: string;
  /** Of the first step that waits. */
  readonly pointer: string;
  readonly before: readonly string[];
  readonly after: readonly string[];
  /** `[a, b]`: b waits for a although it does not depend on it. Others follow from these. */
  readonly pairs: readonly (readonly [string, string])[];
  readonly slowPairs: readonly (readonly [string, string])[];
  /** Estimated time of the list with its barriers over the time without: 1 is no loss. */
  readonly stretch: number;
}

export function reportOf(
  program: Program,
  paces: ReadonlyMap<OutlineStep, Pace>,
  outline: OutlineScope,
  recordBytes: number,
): PlanReport {
  const estimates = new Map([...paces].map(([step, { estimateMs }]) => [step.path, estimateMs]));
  const estimateOf = (step: Step) => estimates.get(step.path) ?? 0;
  const steps = [...reportSteps(program.root, 1, estimateOf)];
  const calls: { [T in StepType]?: number } = {};
  for (const step of steps) {
    if (step.calls > 0) calls[step.type] = (calls[step.type] ?? 0) + step.calls;
  }
  const longest = criticalPath(outline.graph, program.root.steps.map(estimateOf));
  return {
    workflowId: program.workflowId,
    version: program.version,
    hash: program.hash,
    runtime: program.runtime,
    steps,
    criticalPath: {
      steps: longest.nodes.flatMap((i) => program.root.steps[i]?.path ?? []),
      estimateMs: longest.ms,
    },
    barriers: [...reportBarriers(program.root, estimateOf)],
    calls,
    totalCalls: steps.reduce((sum, step) => sum + step.calls, 0),
    recordBytes,
  };
}

function* reportSteps(
  scope: Scope,
  runs: number,
  estimateOf: (step: Step) => number,
): Generator<StepReport> {
  for (const step of scope.steps) {
    const { path, type, no, pointer, maxOutputBytes, live, slow } = step;
    const calls = runs * callsOf(step);
    const estimateMs = estimateOf(step);
    yield { path, type, no, pointer, maxOutputBytes, live, slow, estimateMs, runs, calls };
    const rounds =
      step.type === 'for_each' ? step.maxItems : step.type === 'loop' ? step.maxIterations : 1;
    for (const [, inner] of scopesOf(step)) yield* reportSteps(inner, runs * rounds, estimateOf);
  }
}

function callsOf(step: Step): number {
  switch (step.type) {
    case 'http_request':
    case 'database_operation':
    case 'notification':
    case 'platform_operation':
      return 1 + step.retry.maxAttempts;
    case 'callback':
    case 'sub_workflow':
      return 1;
    default:
      return 0;
  }
}

function* reportBarriers(
  scope: Scope,
  estimateOf: (step: Step) => number,
): Generator<BarrierReport> {
  if (scope.barriers.length > 0) {
    const durations = scope.steps.map(estimateOf);
    const free = criticalPath(graphOf(scope), durations).ms;
    const held = treeTime(scope.tree, durations);
    const stretch = free === 0 ? 1 : Math.round((held / free) * 100) / 100;
    for (const barrier of scope.barriers) yield reportBarrier(scope, barrier, stretch);
  }
  for (const step of scope.steps) {
    for (const [, inner] of scopesOf(step)) yield* reportBarriers(inner, estimateOf);
  }
}

function reportBarrier(scope: Scope, barrier: Barrier, stretch: number): BarrierReport {
  const idOf = (i: number) => scope.steps[i]?.id ?? '';
  const named = (pairs: Barrier['added']) =>
    pairs.map(([a, b]): readonly [string, string] => [idOf(a), idOf(b)]);
  const waiting = Math.min(...barrier.added.map(([, b]) => b));
  return {
    scope: scope.path,
    pointer: scope.steps[waiting]?.pointer ?? '',
    before: barrier.before.map(idOf),
    after: barrier.after.map(idOf),
    pairs: named(barrier.added),
    slowPairs: named(barrier.slow),
    stretch,
  };
}

/** Steps of a scope in an order that its graph allows: by topological number. */
function graphOf(scope: Scope): Pick<Graph, 'order' | 'dependsOn'> {
  const order = scope.steps.map((_, i) => i);
  order.sort((a, b) => (scope.steps[a]?.no ?? 0) - (scope.steps[b]?.no ?? 0));
  return { order, dependsOn: scope.steps.map(({ dependsOn }) => dependsOn) };
}

function treeTime(tree: SeriesParallel, durations: readonly number[]): number {
  switch (tree.kind) {
    case 'leaf':
      return durations[tree.step] ?? 0;
    case 'series':
      return tree.of.reduce((sum, part) => sum + treeTime(part, durations), 0);
    case 'parallel':
      return Math.max(0, ...tree.of.map((part) => treeTime(part, durations)));
  }
}

/** Every step of a program by path. */
export function stepsByPath(program: Program): ReadonlyMap<string, Step> {
  return new Map([...allSteps(program.root)].map((step) => [step.path, step]));
}
