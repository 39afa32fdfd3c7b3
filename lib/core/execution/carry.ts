import type { Problem } from '#core/errors.ts';
import type { Program, Step } from '#core/plan/program.ts';
import { CONNECTOR_TYPES } from '#core/plan/program.ts';
import type { CarriedResult, StepKey } from './events.ts';
import type { Place, StepInfo } from './program-index.ts';
import { findPlace, indexOf, keyOf } from './program-index.ts';
import type { ExecutionState } from './state.ts';
import { walk } from './state.ts';

/**
 * What a retry takes over from the execution that it continues.
 *
 * R1 Carried are the steps that succeeded and were not compensated (a compensation that failed undid
 *    nothing), inside containers too; what failed or was skipped is decided anew.
 * R2 Inside a container that is itself carried everything is, so that its record stays whole and its
 *    compensations can still be run.
 * R3 A container whose inner success was compensated is not carried: its effect is gone.
 */
export type Carried = { readonly [step: StepKey]: CarriedResult };

/** `state` is that of the execution that ended, `program` the one it ran. */
export function carry(program: Program, state: ExecutionState): Carried {
  const ledger = new Map(state.ledger.map((entry) => [entry.step, entry]));
  const around = containersOfUndone(program, state);
  const carried: { [step: StepKey]: CarriedResult } = {};
  const containers = new Set<StepKey>();
  for (const { place, step } of walk(indexOf(program), state, false).reverse()) {
    const key = keyOf(place);
    const whole = containersAround(place).some((container) => containers.has(container));
    const { status } = step;
    if (status === 'QUEUED' || status === 'EXECUTING') continue;
    if (status !== 'SUCCESS' && !whole) continue;
    const entry = ledger.get(key);
    if (entry?.status === 'SUCCESS' || around.has(key)) continue;
    if (place.info.inner.size > 0 && step.status === 'SUCCESS') containers.add(key);
    carried[key] = {
      status,
      class: step.class ?? 'S',
      reason: step.reason,
      output: step.output,
      ...(step.error === null ? {} : { error: step.error }),
      attempts: step.attempts,
      compensation: entry?.record ?? null,
      completed_at: step.completedAt ?? state.at,
    };
  }
  for (const [key, result] of Object.entries(state.carried ?? {})) {
    const entry = ledger.get(key);
    const gone = entry?.status === 'SUCCESS' || around.has(key);
    if (!gone && !Object.hasOwn(carried, key)) carried[key] = result;
  }
  return carried;
}

/**
 * Whose ids go into the keys of the steps of a retry with this id, where it is not the root's: what
 * was undone is done anew under a key that no receiver has seen. Null: the root's for all.
 */
export function keyRoots(
  state: ExecutionState,
  retryId: string,
): { readonly [step: StepKey]: string } | null {
  const undone = state.ledger.filter(({ status }) => status === 'SUCCESS');
  if (undone.length === 0) return state.keyRoots;
  return {
    ...state.keyRoots,
    ...Object.fromEntries(undone.map(({ step }) => [step, retryId])),
  };
}

/** The container instances in which something was compensated. */
function containersOfUndone(program: Program, state: ExecutionState): Set<StepKey> {
  const index = indexOf(program);
  return new Set(
    state.ledger.flatMap(({ step, status }) => {
      const place = status === 'SUCCESS' ? findPlace(index, step) : null;
      return place === null ? [] : containersAround(place);
    }),
  );
}

function containersAround(place: Place): StepKey[] {
  return place.info.ancestors.map((info) =>
    keyOf({ info, indices: place.indices.slice(0, info.indexCount) }),
  );
}

/**
 * Whether a newer program can take over carried results: each carried step must still be there with
 * the same type, in the same containers, behind the same carried ancestors. Empty: it can.
 */
export function compatible(
  oldProgram: Program,
  newProgram: Program,
  carriedKeys: Iterable<StepKey>,
): Problem[] {
  const [before, after] = [indexOf(oldProgram), indexOf(newProgram)];
  const paths = new Set<string>();
  for (const key of carriedKeys) {
    const place = findPlace(before, key);
    if (place !== null) paths.add(place.info.step.path);
  }
  const problems: Problem[] = [];
  for (const path of paths) {
    const [old, next] = [before.byPath.get(path), after.byPath.get(path)];
    if (old === undefined) continue;
    const message = next === undefined ? 'is gone' : difference(old, next);
    if (message === null) continue;
    problems.push({
      code: 'VERSION_INCOMPATIBLE',
      pointer: next?.step.pointer ?? '/steps',
      message: `step '${path}' has a result to carry over, but it ${message}`,
      allowed: 'a version that keeps id, type and ancestors of every step that succeeded',
    });
  }
  return problems;
}

function difference(old: StepInfo, next: StepInfo): string | null {
  if (old.step.type !== next.step.type) return `is now a ${next.step.type}`;
  if (old.scope.arm !== next.scope.arm) return `is now in arm '${next.scope.arm}'`;
  if (containerTypes(old) !== containerTypes(next)) return 'is now in another kind of container';
  const [before, after] = [ancestorIds(old), ancestorIds(next)];
  const missing = [...before].filter((id) => !after.has(id));
  const added = [...after].filter((id) => !before.has(id));
  if (missing.length > 0) return `no longer comes after ${missing.join(', ')}`;
  if (added.length > 0) return `now comes after ${added.join(', ')}`;
  return null;
}

/** What gives a key its indices: the same path in other containers is another instance. */
function containerTypes(info: StepInfo): string {
  return info.ancestors.map(({ step }) => step.type).join('.');
}

function ancestorIds(info: StepInfo): Set<string> {
  const found = new Set<string>();
  const open = [...info.step.dependsOn];
  for (let position = open.pop(); position !== undefined; position = open.pop()) {
    const step = info.scope.steps[position]?.step;
    if (step === undefined || found.has(step.id)) continue;
    found.add(step.id);
    open.push(...step.dependsOn);
  }
  return found;
}

/** Shown before a retry: what happened outside already, and what would happen (again). */
export interface RepeatPreview {
  /** Results that are taken over: not called again. */
  readonly carried: readonly StepKey[];
  /** Undone by compensation: called again from the start. */
  readonly compensated: readonly StepKey[];
  /** Called before, but without a success: may have taken effect, and is called again. */
  readonly repeated: readonly StepKey[];
  /** Never called so far. */
  readonly pending: readonly StepKey[];
}

/** Only these are shown: to wait or to compute again repeats nothing that anybody sees. */
const OUTSIDE: ReadonlySet<Step['type']> = new Set([
  ...CONNECTOR_TYPES,
  'callback',
  'approval',
  'sub_workflow',
]);

export function repeatPreview(program: Program, state: ExecutionState): RepeatPreview {
  const carried = carry(program, state);
  const undone = new Set(
    state.ledger.filter(({ status }) => status === 'SUCCESS').map(({ step }) => step),
  );
  const preview = {
    carried: Object.keys(carried).sort(),
    compensated: [] as StepKey[],
    repeated: [] as StepKey[],
    pending: [] as StepKey[],
  };
  for (const { place, step } of walk(indexOf(program), state, false)) {
    const key = keyOf(place);
    if (Object.hasOwn(carried, key) || !OUTSIDE.has(place.info.step.type)) continue;
    if (undone.has(key)) preview.compensated.push(key);
    else if (step.config !== null) preview.repeated.push(key);
    else preview.pending.push(key);
  }
  return preview;
}
