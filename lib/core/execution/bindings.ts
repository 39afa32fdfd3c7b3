import type { Json } from '#core/json.ts';
import type { Expression, Program } from '#core/plan/program.ts';
import type { StepKey } from './events.ts';
import type { Place, ProgramIndex, ScopeInfo, StepInfo } from './program-index.ts';
import { containerOf, indexOf, keyOf, placeOf, scopeInside } from './program-index.ts';
import type { ExecutionState, ScopeState, StepState } from './state.ts';
import { QUEUED_STEP, scopeAt, stepAt } from './state.ts';

/**
 * The values that expressions of one step may read (rule 11), and of those only what they do read.
 *
 * B1 `$steps.<id>` is the nearest: of the step's own scope, else of the scopes around it.
 * B2 Inner `$item`, `$index` and `$loop` hide outer ones.
 * B3 Values are shared with the state, never copied: nobody may change them.
 */
export type Bindings = { [name: string]: Json };

/** What an expression sees besides the state of the execution. */
export interface Extras {
  readonly result?: Json;
  readonly loop?: Json;
  /** The record of the step itself while its compensation is evaluated. */
  readonly self?: Json;
}

const NO_EXTRAS: Extras = {};

/** For hosts: `step` `` is the workflow itself. `$result` is theirs to add. */
export function bindingsOf(
  program: Program,
  state: ExecutionState,
  step: StepKey,
  expressions: Iterable<Expression>,
): Bindings {
  const index = indexOf(program);
  return bind(index, state, step === '' ? null : placeOf(index, step), expressions, NO_EXTRAS);
}

export function bind(
  index: ProgramIndex,
  state: ExecutionState,
  place: Place | null,
  expressions: Iterable<Expression>,
  extras: Extras,
): Bindings {
  const bindings: Bindings = {};
  let steps: Bindings | null = null;
  for (const expression of expressions) {
    for (const name of expression.names) {
      if (Object.hasOwn(bindings, name)) continue;
      const value = named(index, state, place, name, extras);
      if (value !== undefined) bindings[name] = value;
    }
    for (const id of expression.steps) {
      steps ??= {};
      if (!Object.hasOwn(steps, id)) setOwn(steps, id, recordOf(index, state, place, id, extras));
    }
  }
  if (steps !== null) bindings['steps'] = steps;
  return bindings;
}

/** Assigns without a setter: step ids and input keys are authors' words. */
function setOwn(object: Bindings, key: string, value: Json): void {
  if (key !== '__proto__') object[key] = value;
}

function named(
  index: ProgramIndex,
  state: ExecutionState,
  place: Place | null,
  name: Expression['names'][number],
  extras: Extras,
): Json | undefined {
  switch (name) {
    case 'input':
      return state.input;
    case 'execution':
      return {
        id: state.id,
        workflow_id: index.program.workflowId,
        version: index.program.version,
        started_at: instant(state.startedAt ?? state.at),
      };
    case 'result':
      return extras.result;
    case 'loop':
      return extras.loop ?? enclosingLoop(state, place);
    case 'item':
    case 'index':
      return enclosingItem(state, place, name);
  }
}

/** RFC 3339 in UTC with milliseconds. */
export function instant(at: number): string {
  return new Date(at).toISOString();
}

function enclosing(place: Place | null, type: 'for_each' | 'loop'): [Place, number] | null {
  let at = place;
  while (at !== null) {
    const container = containerOf(at);
    if (container === null) return null;
    if (container.info.step.type === type) {
      return [container, at.indices[container.info.indexCount] as number];
    }
    at = container;
  }
  return null;
}

function enclosingItem(
  state: ExecutionState,
  place: Place | null,
  name: 'item' | 'index',
): Json | undefined {
  const found = enclosing(place, 'for_each');
  if (found === null) return undefined;
  const [container, iteration] = found;
  if (name === 'index') return iteration;
  const items = stepAt(state, container).config;
  return Array.isArray(items) ? (items[iteration] as Json | undefined) : undefined;
}

function enclosingLoop(state: ExecutionState, place: Place | null): Json | undefined {
  const found = enclosing(place, 'loop');
  if (found === null) return undefined;
  const [container, iteration] = found;
  return loopRecord(container.info, stepAt(state, container), iteration);
}

/** `$loop` before or in iteration `iteration`. */
export function loopRecord(info: StepInfo, step: StepState, iteration: number): Json {
  const previous = iteration === 0 ? null : (step.bodies?.[iteration - 1] ?? null);
  return { index: iteration, last: previous === null ? null : outputsOf(info, 'body', previous) };
}

/** Outputs of a body by step id: what containers answer with. */
export function outputsOf(container: StepInfo, arm: string, scope: ScopeState): Bindings {
  return outputsOfScope(scopeInside(container, arm), scope);
}

/** The default output of a workflow (rule 33). */
export function outputsAtRoot(index: ProgramIndex, state: ExecutionState): Bindings {
  return outputsOfScope(index.root, state.root);
}

function outputsOfScope(info: ScopeInfo, scope: ScopeState): Bindings {
  const outputs: Bindings = {};
  for (const step of info.steps) {
    setOwn(outputs, step.step.id, scope.steps[step.position]?.output ?? null);
  }
  return outputs;
}

function recordOf(
  index: ProgramIndex,
  state: ExecutionState,
  place: Place | null,
  id: string,
  extras: Extras,
): Json {
  if (place !== null && extras.self !== undefined && place.info.step.id === id) return extras.self;
  let at = place;
  for (;;) {
    const scope = at === null ? index.root : at.info.scope;
    const info = scope.steps.find((step) => step.step.id === id);
    if (info !== undefined) {
      const found: Place = at === null ? { info, indices: [] } : { info, indices: at.indices };
      return stepRecord(scopeAt(state, found).steps[info.position] ?? QUEUED_STEP);
    }
    if (at === null) throw new TypeError(`no step '${id}' is visible here`);
    const container = containerOf(at);
    if (container === null) throw new TypeError(`no step '${id}' is visible from ${keyOf(at)}`);
    at = container;
  }
}

/** What `$steps.<id>` is. */
export function stepRecord(step: StepState): Json {
  return {
    status: step.status,
    output: step.output,
    error: step.error === null ? null : { code: step.error.code, message: step.error.message },
    attempts: step.attempts,
  };
}
