import type { Program } from '#core/plan/program.ts';
import { deadlineOf, workflowDeadline } from './deadlines.ts';
import { currentEntry } from './ending.ts';
import type { StepKey } from './events.ts';
import { isFinal } from './events.ts';
import type { HeldStart } from './held.ts';
import { indexOf, iterates, keyOf } from './program-index.ts';
import type { ExecutionState, Visit } from './state.ts';
import { begunBodies, bodyOf, isEnding, isTerminal, runningScope, stepAt, walk } from './state.ts';
import { askedAtStart } from './step-start.ts';
import { heartbeatIsNext } from './waiting-steps.ts';

/**
 * Why an execution and each of its steps waits, and for what. Computed from state alone.
 *
 * Y1 Every step that is not terminal, in every scope that has begun, has at least one reason.
 */
export type Wait = { readonly step: StepKey | null } & WaitReason;

export type WaitReason =
  /** Accepted, and no engine has taken it up yet. */
  | { readonly kind: 'start' }
  /** Accepted, and may not begin yet. The store knows that; the log does not. */
  | ({ readonly kind: 'turn' } & HeldStart)
  | { readonly kind: 'dependencies'; readonly on: readonly StepKey[] }
  | { readonly kind: 'evaluation' }
  /** An attempt is running. */
  | { readonly kind: 'attempt'; readonly attempt: number; readonly since: number }
  | { readonly kind: 'retry'; readonly attempt: number; readonly at: number }
  | { readonly kind: 'timer'; readonly until: number }
  | { readonly kind: 'approval'; readonly until: number }
  /** `heartbeat`: what is due at `until` is a heartbeat, and each one puts it off. */
  | { readonly kind: 'callback'; readonly until: number; readonly heartbeat: boolean }
  | {
      readonly kind: 'child';
      readonly execution_id: string | null;
      readonly until: number | null;
    }
  /** A container waits for its body. */
  | { readonly kind: 'body'; readonly on: readonly StepKey[] }
  /** Iterations `from` to `to` wait until one that runs has ended. */
  | { readonly kind: 'slot'; readonly from: number; readonly to: number }
  | { readonly kind: 'pause' }
  /** A compensation is running, or is due at `at`. */
  | { readonly kind: 'compensation'; readonly of: StepKey; readonly at: number | null }
  /** The engine goes on as soon as what it decided is stored. */
  | { readonly kind: 'engine' }
  /** The workflow ends no later than this. */
  | { readonly kind: 'deadline'; readonly until: number };

export function waits(program: Program, state: ExecutionState, now: number): Wait[] {
  if (isFinal(state.status)) return [];
  if (state.status === 'PENDING') {
    return [{ step: null, kind: state.paused ? 'pause' : 'start' }];
  }
  const found: Wait[] = [];
  const visits = walk(indexOf(program), state, true);
  for (const visit of visits) {
    const step = keyOf(visit.place);
    for (const reason of reasons(state, visit, now)) found.push({ step, ...reason });
  }
  for (const reason of ownReasons(program, state, visits)) found.push({ step: null, ...reason });
  return found;
}

function ownReasons(
  program: Program,
  state: ExecutionState,
  visits: readonly Visit[],
): WaitReason[] {
  const found: WaitReason[] = [];
  const entry = currentEntry(state);
  if (state.paused) found.push({ kind: 'pause' });
  if (entry !== null) {
    found.push({ kind: 'compensation', of: entry.step, at: state.saga?.retryAt ?? null });
  }
  const top = visits.filter(({ place }) => place.info.ancestors.length === 0);
  if (top.length > 0) found.push({ kind: 'body', on: top.map(({ place }) => keyOf(place)) });
  else if (entry === null && !state.paused) found.push({ kind: 'evaluation' });
  const until = workflowDeadline(program, state);
  if (until !== null) found.push({ kind: 'deadline', until });
  return found;
}

function reasons(state: ExecutionState, visit: Visit, now: number): WaitReason[] {
  const { place, step, scope } = visit;
  if (step.status === 'QUEUED') {
    const on = place.info.step.dependsOn.filter((position) => {
      const dependency = scope.steps[position];
      return dependency !== undefined && !isTerminal(dependency);
    });
    if (on.length > 0) {
      const keys = on.flatMap((position) => {
        const info = place.info.scope.steps[position];
        return info === undefined ? [] : [keyOf({ info, indices: place.indices })];
      });
      return [{ kind: 'dependencies', on: keys }];
    }
    if (state.paused) return [{ kind: 'pause' }];
    const until = untold(state, visit);
    if (until !== null) return [{ kind: 'timer', until }];
    if (state.yielded || isEnding(state) || askedAtStart(place.info).length === 0) {
      // A `when` that is evaluated here takes no time: only a yielded decision leaves it undone.
      return [{ kind: 'engine' }];
    }
    return [{ kind: 'evaluation' }];
  }
  return executing(state, visit, now);
}

/**
 * Until when a short wait of a machine lasts: its log hears of it only when it is over (a Wait and no Task), so
 * this is counted from what it waited for. Null: none. A barrier may have let it begin later.
 */
function untold(state: ExecutionState, { place, scope }: Visit): number | null {
  const { step, scope: around } = place.info;
  if (state.runtime !== 'step_functions' || step.type !== 'wait' || step.slow) return null;
  if (step.duration?.kind !== 'literal' || typeof step.duration.value !== 'number') return null;
  if (step.when !== null || step.trigger !== 'all_success') return null;
  const before = step.dependsOn.map((position) => scope.steps[position]);
  if (before.some((dependency) => dependency?.class !== 'S')) return null;
  const container = around.container;
  const outer =
    container === null
      ? state.startedAt
      : stepAt(state, { info: container, indices: place.indices.slice(0, container.indexCount) })
          .startedAt;
  if (outer === null) return null;
  const began = Math.max(outer, ...before.map((dependency) => dependency?.completedAt ?? 0));
  return began + Math.ceil(step.duration.value / 1_000) * 1_000;
}

function executing(state: ExecutionState, visit: Visit, now: number): WaitReason[] {
  const { place, step: current } = visit;
  const { step } = place.info;
  const until = deadlineOf(visit);
  if (current.answer !== null || current.shaped !== null) return [{ kind: 'evaluation' }];
  switch (step.type) {
    case 'http_request':
    case 'database_operation':
    case 'notification':
    case 'platform_operation':
      if (current.retryAt === null) return [attempt(visit)];
      if (state.paused && current.retryAt <= now) return [{ kind: 'pause' }];
      return [{ kind: 'retry', attempt: current.attempts + 1, at: current.retryAt }];
    case 'wait':
      return [{ kind: 'timer', until: until ?? now }];
    case 'approval':
      return [{ kind: 'approval', until: until ?? now }];
    case 'callback': {
      const heartbeat = heartbeatIsNext(step, current);
      const open: WaitReason = { kind: 'callback', until: until ?? now, heartbeat };
      return current.suspended ? [open] : [attempt(visit), open];
    }
    case 'sub_workflow':
      return [{ kind: 'child', execution_id: current.childId, until }];
    case 'transform':
    case 'fail':
      return [{ kind: 'evaluation' }];
    case 'for_each':
    case 'branch':
    case 'loop':
    case 'group':
      return container(state, visit);
  }
}

function attempt({ step }: Visit): WaitReason {
  return { kind: 'attempt', attempt: step.attempts, since: step.startedAt ?? 0 };
}

function container(state: ExecutionState, { place, step: current }: Visit): WaitReason[] {
  const { step } = place.info;
  const on: StepKey[] = [];
  const scope = runningScope(place.info, current);
  const begun = scope === null ? 0 : begunBodies(place.info, current);
  for (let i = 0; scope !== null && i < begun; i++) {
    const indices = iterates(step) ? [...place.indices, i] : place.indices;
    const body = bodyOf(state, scope, current, i, indices);
    for (const info of scope.steps) {
      const inside = body.steps[info.position];
      if (inside !== undefined && !isTerminal(inside)) on.push(keyOf({ info, indices }));
    }
  }
  if (on.length === 0) {
    return [{ kind: state.paused ? 'pause' : step.type === 'loop' ? 'evaluation' : 'engine' }];
  }
  const found: WaitReason[] = [{ kind: 'body', on }];
  const count = Array.isArray(current.config) ? current.config.length : 0;
  if (step.type === 'for_each' && current.frontier < count) {
    found.push({ kind: 'slot', from: current.frontier, to: count - 1 });
  }
  return found;
}
