import type { DraftStepOf } from '#core/dsl/draft.ts';
import { durationMs } from '#core/dsl/durations.ts';
import { LIMITS } from '#core/dsl/limits.ts';
import type { Graph } from '#core/plan/graph.ts';
import type { OutlineScope, OutlineStep } from '#core/plan/outline.ts';
import type { StepType } from '#core/plan/program.ts';

/**
 * How long steps take, as far as anybody can say before they run: used to place barriers and to
 * draw the critical path, never to decide what a workflow means.
 */
export interface Pace {
  /** May take longer than a minute for a reason that has nothing to do with the workflow. */
  readonly slow: boolean;
  readonly estimateMs: number;
}

const CALL_MS = 300;
const STATEMENT_MS = 50;
const VALUE_MS = 10;

/** How long whoever performs a step is busy with it; what is waited for elsewhere is not in it. */
export const WORK_MS: { readonly [T in StepType]: number } = {
  http_request: CALL_MS,
  database_operation: STATEMENT_MS,
  notification: STATEMENT_MS,
  platform_operation: CALL_MS,
  transform: VALUE_MS,
  wait: 0,
  approval: STATEMENT_MS,
  callback: CALL_MS,
  sub_workflow: STATEMENT_MS,
  for_each: VALUE_MS,
  branch: VALUE_MS,
  loop: VALUE_MS,
  group: VALUE_MS,
  fail: 0,
};

const PERSON_MS = 3_600_000;
const PARTNER_MS = 60_000;
const CHILD_MS = 5_000;
const ROUNDS = 10;
const ITEMS = 10;

type PaceOf<T extends StepType> = (draft: DraftStepOf<T>, bodies: readonly Pace[]) => Pace;

const quick = (estimateMs: number): Pace => ({ slow: false, estimateMs });
const slow = (estimateMs: number): Pace => ({ slow: true, estimateMs });
const longest = (paces: readonly Pace[]) => Math.max(0, ...paces.map((pace) => pace.estimateMs));

const PACES: { readonly [T in StepType]: PaceOf<T> } = {
  http_request: () => quick(CALL_MS),
  database_operation: () => quick(STATEMENT_MS),
  notification: () => quick(STATEMENT_MS),
  platform_operation: () => quick(CALL_MS),
  transform: () => quick(VALUE_MS),
  wait: ({ config }) => {
    const ms = durationMs(config.duration);
    if (ms === null) return slow(PARTNER_MS);
    return ms > LIMITS.slowWaitMs ? slow(ms) : quick(ms);
  },
  approval: () => slow(PERSON_MS),
  callback: () => slow(PARTNER_MS),
  sub_workflow: ({ config }) => (config.mode === 'detach' ? quick(STATEMENT_MS) : slow(CHILD_MS)),
  for_each: ({ config }, bodies) => {
    const items = Math.min(config.max_items ?? LIMITS.forEachItemsDefault, ITEMS);
    const rounds = Math.ceil(items / (config.concurrency ?? LIMITS.forEachConcurrencyDefault));
    return slow(rounds * longest(bodies));
  },
  branch: (_, bodies) => held(bodies),
  loop: ({ config }, bodies) =>
    slow(Math.min(config.max_iterations ?? ROUNDS, ROUNDS) * longest(bodies)),
  group: (_, bodies) => held(bodies),
  fail: () => quick(0),
};

function held(bodies: readonly Pace[]): Pace {
  return { slow: bodies.some((body) => body.slow), estimateMs: longest(bodies) };
}

/** The pace of every step, containers included. */
export function pacesOf(root: OutlineScope): ReadonlyMap<OutlineStep, Pace> {
  const paces = new Map<OutlineStep, Pace>();
  const ofScope = (scope: OutlineScope): Pace => {
    for (const step of scope.steps) {
      const bodies = [...step.inner.values()].map(ofScope);
      const { draft } = step;
      paces.set(step, draft.type === null ? quick(0) : paceAs(draft.type, step, bodies));
    }
    const own = scope.steps.map((step) => paces.get(step) ?? quick(0));
    const durations = own.map(({ estimateMs }) => estimateMs);
    return {
      slow: own.some((pace) => pace.slow),
      estimateMs: criticalPath(scope.graph, durations).ms,
    };
  };
  ofScope(root);
  return paces;
}

function paceAs<T extends StepType>(type: T, step: OutlineStep, bodies: readonly Pace[]): Pace {
  // One cast: the draft of a step has the type it was read by.
  return PACES[type](step.draft as unknown as DraftStepOf<T>, bodies);
}

/** The longest way through a graph, and its nodes in order. */
export function criticalPath(
  graph: Pick<Graph, 'order' | 'dependsOn'>,
  durations: readonly number[],
): { readonly ms: number; readonly nodes: readonly number[] } {
  const finish: number[] = [];
  const before: (number | null)[] = [];
  let last: number | null = null;
  for (const node of graph.order) {
    let start = 0;
    before[node] = null;
    for (const d of graph.dependsOn[node] ?? []) {
      const end = finish[d] ?? 0;
      if (before[node] === null || end > start) {
        start = end;
        before[node] = d;
      }
    }
    finish[node] = start + (durations[node] ?? 0);
    if (last === null || (finish[node] ?? 0) > (finish[last] ?? 0)) last = node;
  }
  const nodes: number[] = [];
  for (let node = last; node !== null; node = before[node] ?? null) nodes.push(node);
  return { ms: last === null ? 0 : (finish[last] ?? 0), nodes: nodes.reverse() };
}
