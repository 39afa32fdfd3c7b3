import type { Program, Scope, Step } from '#core/plan/program.ts';
import { scopesOf } from '#core/plan/program.ts';
import type { StepKey } from './events.ts';
import { stepKey } from './events.ts';

/**
 * What the execution core looks up in a program, computed once per program object.
 *
 * X1 The index is a function of the program alone, so caching it changes nothing.
 * X2 `order` lists a scope's steps so that dependencies come first.
 */
export interface ProgramIndex {
  readonly program: Program;
  readonly root: ScopeInfo;
  readonly byPath: ReadonlyMap<string, StepInfo>;
}

export interface ScopeInfo {
  readonly scope: Scope;
  /** Null at the root. */
  readonly container: StepInfo | null;
  /** The key of `scopesOf` by which the container holds this scope. */
  readonly arm: string;
  readonly steps: readonly StepInfo[];
  /** Positions in topological order. */
  readonly order: readonly number[];
}

export interface StepInfo {
  readonly step: Step;
  readonly scope: ScopeInfo;
  /** Position in the scope. */
  readonly position: number;
  /** The containers around the step, outermost first. */
  readonly ancestors: readonly StepInfo[];
  /** How many indices a key of this step has. */
  readonly indexCount: number;
  /** Positions of the steps that depend on this one directly. */
  readonly dependents: readonly number[];
  /** The scopes inside, by key. */
  readonly inner: ReadonlyMap<string, ScopeInfo>;
}

/** One instance of a step: where it stands in the program and in which iterations. */
export interface Place {
  readonly info: StepInfo;
  /** Outermost first. */
  readonly indices: readonly number[];
}

const NO_INDICES: readonly number[] = [];
const cache = new WeakMap<Program, ProgramIndex>();

export function indexOf(program: Program): ProgramIndex {
  const known = cache.get(program);
  if (known !== undefined) return known;
  const byPath = new Map<string, StepInfo>();
  const root = indexScope(program.root, null, '', [], 0, byPath);
  const index = { program, root, byPath };
  cache.set(program, index);
  return index;
}

/** True for containers whose body runs several times and so adds an index to keys. */
export function iterates(step: Step): boolean {
  return step.type === 'for_each' || step.type === 'loop';
}

function indexScope(
  scope: Scope,
  container: StepInfo | null,
  arm: string,
  ancestors: readonly StepInfo[],
  indexCount: number,
  byPath: Map<string, StepInfo>,
): ScopeInfo {
  const steps: StepInfo[] = [];
  const order = scope.steps.map((_, i) => i);
  order.sort((a, b) => (scope.steps[a]?.no ?? 0) - (scope.steps[b]?.no ?? 0));
  const info: ScopeInfo = { scope, container, arm, steps, order };
  const dependents: number[][] = scope.steps.map(() => []);
  for (const position of order) {
    for (const dependency of scope.steps[position]?.dependsOn ?? []) {
      dependents[dependency]?.push(position);
    }
  }
  for (const [position, step] of scope.steps.entries()) {
    const inner = new Map<string, ScopeInfo>();
    const stepInfo: StepInfo = {
      step,
      scope: info,
      position,
      ancestors,
      indexCount,
      dependents: dependents[position] ?? [],
      inner,
    };
    steps.push(stepInfo);
    byPath.set(step.path, stepInfo);
    const around = [...ancestors, stepInfo];
    const count = indexCount + (iterates(step) ? 1 : 0);
    for (const [key, body] of scopesOf(step)) {
      inner.set(key, indexScope(body, stepInfo, key, around, count, byPath));
    }
  }
  return info;
}

/** Finds the step that a key names; null when the program has no such step. */
export function findPlace(index: ProgramIndex, key: StepKey): Place | null {
  const bracket = key.indexOf('[');
  if (bracket < 0) {
    const info = index.byPath.get(key);
    return info === undefined || info.indexCount > 0 ? null : { info, indices: NO_INDICES };
  }
  const info = index.byPath.get(key.slice(0, bracket));
  if (info === undefined || !key.endsWith(']')) return null;
  const indices = key
    .slice(bracket + 1, -1)
    .split(',')
    .map(Number);
  if (
    indices.length !== info.indexCount ||
    !indices.every((i) => Number.isSafeInteger(i) && i >= 0)
  ) {
    return null;
  }
  return { info, indices };
}

/** As `findPlace` for keys out of our own log, where a miss is our own misuse. */
export function placeOf(index: ProgramIndex, key: StepKey): Place {
  const place = findPlace(index, key);
  if (place === null) throw new TypeError(`no step of the program is named ${key}`);
  return place;
}

export function keyOf(place: Place): StepKey {
  return place.indices.length === 0
    ? place.info.step.path
    : stepKey(place.info.step.path, place.indices);
}

/** The container around a place; null at the root. */
export function containerOf(place: Place): Place | null {
  const container = place.info.scope.container;
  if (container === null) return null;
  return {
    info: container,
    indices:
      container.indexCount === place.indices.length
        ? place.indices
        : place.indices.slice(0, container.indexCount),
  };
}

/** The iteration of its container that a place is in; 0 where the container has one body. */
export function iterationOf(place: Place): number {
  const container = place.info.scope.container;
  if (container === null || !iterates(container.step)) return 0;
  return place.indices[container.indexCount] ?? 0;
}

/** A place in a body of `container`. */
export function placeInside(container: Place, iteration: number, info: StepInfo): Place {
  return {
    info,
    indices: iterates(container.info.step) ? [...container.indices, iteration] : container.indices,
  };
}

/** A scope inside a container, by the key of `scopesOf`. */
export function scopeInside(info: StepInfo, arm: string): ScopeInfo {
  const scope = info.inner.get(arm);
  if (scope === undefined) throw new TypeError(`step ${info.step.path} has no scope '${arm}'`);
  return scope;
}
