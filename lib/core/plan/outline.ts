import type { DraftScope, DraftStep } from '#core/dsl/draft.ts';
import type { Problems } from '#core/dsl/problems.ts';
import { didYouMean } from '#core/dsl/validate.ts';
import { pointerTo } from '#core/json.ts';
import { createGraph, findCycles, type Graph } from '#core/plan/graph.ts';

/**
 * The outline of a definition: which steps there are, where, in which order. Everything that is
 * found out about a step later hangs on its node here.
 */
export interface OutlineScope {
  readonly draft: DraftScope;
  /** The container; null for the workflow's own list. */
  readonly holder: OutlineStep | null;
  /** Key of this scope in its container, as `scopesOf` names it. */
  readonly key: string;
  readonly steps: readonly OutlineStep[];
  readonly byId: ReadonlyMap<string, OutlineStep>;
  /** Where dependencies form a cycle (which is reported) those of the cycle are left out. */
  readonly graph: Graph;
  readonly acyclic: boolean;
}

export interface OutlineStep {
  readonly draft: DraftStep;
  readonly id: string;
  readonly path: string;
  readonly index: number;
  /** Topological number, unique in the workflow; a step's is smaller than any inside it. */
  no: number;
  readonly scope: OutlineScope;
  readonly inner: ReadonlyMap<string, OutlineScope>;
}

/** Reports E_DUPLICATE_ID, E_UNKNOWN_DEP, E_SELF_DEP and E_CYCLE. */
export function outlineOf(draft: DraftScope, problems: Problems): OutlineScope {
  const root = outlineScope(draft, null, '', new Map(), problems);
  let next = 0;
  const number = (scope: OutlineScope): void => {
    for (const i of scope.graph.order) {
      const step = scope.steps[i];
      if (step === undefined) continue;
      step.no = next;
      next += 1;
      for (const inner of step.inner.values()) number(inner);
    }
  };
  number(root);
  return root;
}

/** Every step, containers before what they hold. */
export function* outlineSteps(scope: OutlineScope): Generator<OutlineStep> {
  for (const step of scope.steps) {
    yield step;
    for (const inner of step.inner.values()) yield* outlineSteps(inner);
  }
}

/** `taken`: ids of the container's other arms, since paths must be unique over all of them. */
function outlineScope(
  draft: DraftScope,
  holder: OutlineStep | null,
  key: string,
  taken: Map<string, string>,
  problems: Problems,
): OutlineScope {
  const byId = new Map<string, OutlineStep>();
  const steps: OutlineStep[] = [];
  // The graph is made below, when the ids are known; steps need their scope before that.
  const scope = { draft, holder, key, steps, byId } as unknown as {
    -readonly [K in keyof OutlineScope]: OutlineScope[K];
  };
  for (const [index, one] of draft.steps.entries()) {
    const inner = new Map<string, OutlineScope>();
    const id = one.id ?? '';
    const path = holder === null ? id : `${holder.path}.${id}`;
    const step: OutlineStep = { draft: one, id, path, index, no: index, scope, inner };
    steps.push(step);
    if (one.id !== null) {
      const first = taken.get(id);
      if (first === undefined) {
        byId.set(id, step);
        taken.set(id, one.pointer);
      } else {
        problems.add({
          code: 'E_DUPLICATE_ID',
          pointer: pointerTo(one.pointer, 'id'),
          message: `the id '${id}' is taken by ${first}`,
          given: id,
          allowed: 'an id once in its list, and once in all arms of a branch',
        });
      }
    }
    const takenInside = new Map<string, string>();
    for (const [innerKey, body] of one.scopes) {
      inner.set(innerKey, outlineScope(body, step, innerKey, takenInside, problems));
    }
  }
  const dependsOn = steps.map((step) => dependenciesOf(step, byId, problems));
  const graph = createGraph(dependsOn);
  scope.acyclic = graph !== null;
  scope.graph = graph ?? withoutCycles(steps, dependsOn, problems);
  return scope;
}

function dependenciesOf(
  step: OutlineStep,
  byId: ReadonlyMap<string, OutlineStep>,
  problems: Problems,
): number[] {
  const dependencies = new Set<number>();
  for (const [i, id] of (step.draft.fields.depends_on ?? []).entries()) {
    if (typeof id !== 'string') continue;
    const pointer = pointerTo(step.draft.pointer, 'depends_on', i);
    const dependency = byId.get(id);
    if (dependency === step || id === step.draft.id) {
      problems.add({
        code: 'E_SELF_DEP',
        pointer,
        message: `step '${id}' depends on itself`,
        given: id,
        allowed: 'other steps of the same list',
      });
    } else if (dependency === undefined) {
      problems.add({
        code: 'E_UNKNOWN_DEP',
        pointer,
        message: `no step '${id}' in this list${elsewhere(id, step) ?? didYouMean(id, byId.keys())}`,
        given: id,
        allowed: 'ids of steps of the same list',
      });
    } else dependencies.add(dependency.index);
  }
  return [...dependencies].sort((a, b) => a - b);
}

/** Why an id that exists further out cannot be depended on. */
function elsewhere(id: string, step: OutlineStep): string | null {
  let outer = step.scope.holder;
  while (outer !== null) {
    if (outer.scope.draft.steps.some((other) => other.id === id)) {
      return `; '${id}' is outside: let the container '${outer.id}' depend on it`;
    }
    outer = outer.scope.holder;
  }
  return null;
}

function withoutCycles(
  steps: readonly OutlineStep[],
  dependsOn: readonly (readonly number[])[],
  problems: Problems,
): Graph {
  for (const cycle of findCycles(dependsOn)) {
    const [first] = cycle;
    const names = cycle.map((i) => steps[i]?.id ?? '');
    problems.add({
      code: 'E_CYCLE',
      pointer: pointerTo(steps[first ?? 0]?.draft.pointer ?? '', 'depends_on'),
      message: `these steps wait for each other: ${names.join(' -> ')}`,
      given: names.slice(0, -1).join(', '),
      allowed: 'dependencies without a cycle',
    });
  }
  const forward = dependsOn.map((dependencies, i) => dependencies.filter((d) => d < i));
  const graph = createGraph(forward);
  if (graph === null) throw new TypeError('dependencies on earlier steps alone form no cycle');
  return graph;
}
