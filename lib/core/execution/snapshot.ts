import type { Json, JsonObject } from '#core/json.ts';
import type { Program } from '#core/plan/program.ts';
import type { ExecutionState, ScopeState, StepState } from './state.ts';
import { initialState, QUEUED_STEP } from './state.ts';

/**
 * Checkpoints: the state as JSON, and back.
 *
 * N1 `restore(snapshot(s))` equals `s` member by member, so snapshot + tail is the fold.
 * N2 Members that have their first value are left out; a step that nothing happened to is 0. What is
 *    large is what was recorded.
 * N3 A snapshot says which form it has. One of another form is not read: the host folds the log.
 */
const FORM = 2;

export function snapshot(state: ExecutionState): Json {
  const initial = initialState({ id: state.id });
  const { root, ...rest } = state;
  return { form: FORM, state: changed(rest, initial), root: packScope(root) };
}

/** Null when the snapshot has another form. */
export function restore(program: Program, json: Json): ExecutionState | null {
  // Snapshots are written by `snapshot` alone: the one place that knows their shape.
  const packed = json as unknown as Packed;
  if (packed.form !== FORM) return null;
  const initial = initialState({ id: packed.state.id });
  const root = unpackScope(packed.root);
  if (root.steps.length > program.root.steps.length) {
    throw new TypeError(`the snapshot of ${packed.state.id} is of another program`);
  }
  return { ...initial, ...packed.state, root };
}

/**
 * A checkpoint is due after every tenth step that completes, and from a hundred steps on after a
 * fifth more: so all checkpoints of one execution together are a few times as large as its last, and a
 * recovery folds a fifth of the log.
 */
export const CHECKPOINT_STEPS = 10;

export function checkpointDue(before: ExecutionState, after: ExecutionState): boolean {
  return round(after.completed) > round(before.completed);
}

/** How many checkpoints have been due by then. */
function round(completed: number): number {
  const tens = completed / CHECKPOINT_STEPS;
  return Math.floor(tens <= 10 ? tens : 10 + Math.log(tens / 10) / Math.log(1.2));
}

interface Packed {
  readonly form: number;
  readonly state: Partial<ExecutionState> & { readonly id: string };
  readonly root: PackedScope;
}

type PackedScope = readonly [open: number, failed: number, steps: readonly (0 | PackedStep)[]];
type PackedStep = Partial<Omit<StepState, 'bodies'>> & {
  readonly bodies?: readonly (null | PackedScope)[];
};

/** The members that differ from their first value, with the id. */
function changed(value: object, initial: object): JsonObject {
  const kept: { [key: string]: Json } = {};
  for (const [key, member] of Object.entries(value)) {
    const first = (initial as { readonly [key: string]: unknown })[key];
    const isEmpty = Array.isArray(member) && member.length === 0 && Array.isArray(first);
    if (key === 'id' || (member !== first && !isEmpty)) kept[key] = member as Json;
  }
  return kept;
}

function packScope(scope: ScopeState): Json {
  return [scope.open, scope.failed, scope.steps.map(packStep)];
}

function packStep(step: StepState): Json {
  if (step === QUEUED_STEP) return 0;
  const { bodies, ...rest } = step;
  const kept = changed(rest, QUEUED_STEP);
  if (bodies === null) return kept;
  return { ...kept, bodies: bodies.map((body) => (body === null ? null : packScope(body))) };
}

function unpackScope([open, failed, steps]: PackedScope): ScopeState {
  return { open, failed, steps: steps.map(unpackStep) };
}

function unpackStep(step: 0 | PackedStep): StepState {
  if (step === 0) return QUEUED_STEP;
  const { bodies, ...rest } = step;
  return {
    ...QUEUED_STEP,
    ...rest,
    bodies: bodies?.map((body) => (body === null ? null : unpackScope(body))) ?? null,
  };
}
