import { hasErrorCode, type StepErrorName, stepErrorCode } from '#core/errors.ts';
import { isFinal } from '#core/execution/events.ts';
import { derivedId } from '#core/ids.ts';
import type { ChildAnswer, ChildEnd, ChildRequest, Children } from '#ports/children.ts';
import type { Clock } from '#ports/clock.ts';
import { chooseRuntime } from './choose-runtime.ts';
import type { ExecutionDeps } from './deps.ts';
import { checkInput } from './input.ts';

/** Rule 25: a child of a child of a child ... */
export const MAX_DEPTH = 5;
/** Real milliseconds between looks at a child that undoes something. */
const LOOK_MS = 100;

export type ChildrenDeps = Pick<
  ExecutionDeps,
  'catalog' | 'clock' | 'executions' | 'hints' | 'runtimes'
>;

/** Starts executions for steps through the accept path that everybody uses. */
export function createChildren(deps: ChildrenDeps): Children {
  return {
    async start(child) {
      const parent = await deps.executions.getExecution(child.tenant, child.parentId);
      if (parent === null) return refused('Internal', 'the parent is not there');
      if (parent.depth >= MAX_DEPTH) {
        return refused('SubWorkflowFailed', `children nest at most ${MAX_DEPTH} deep`);
      }
      return accept(deps, child, parent.depth + 1, parent);
    },
    ended: (tenant, executionId, signal) => ended(deps, tenant, executionId, signal),
  };
}

async function accept(
  deps: ChildrenDeps,
  child: ChildRequest,
  depth: number,
  parent: { readonly correlationId: string | null; readonly priority: number },
): Promise<ChildAnswer> {
  const { tenant, mode, parentId, step, purpose, workflowId, input } = child;
  const id = derivedId(parentId, purpose === 'step' ? step : `${step}/compensate`);
  let version: Awaited<ReturnType<ExecutionDeps['catalog']['version']>>;
  let chosen: ReturnType<typeof chooseRuntime>;
  try {
    version = await deps.catalog.version(tenant, mode, workflowId, child.version);
    checkInput(version.program, input);
    chosen = chooseRuntime(version.runtime, undefined, deps.runtimes);
  } catch (error) {
    if (hasErrorCode(error, 'NOT_FOUND')) {
      const wanted = child.version === null ? workflowId : `${workflowId} ${child.version}`;
      return refused('NotFound', `there is no workflow ${wanted}`);
    }
    // No later try would find it smaller or of another shape.
    if (hasErrorCode(error, 'INPUT_INVALID') || hasErrorCode(error, 'PAYLOAD_TOO_LARGE')) {
      return refused('InvalidConfig', error.message);
    }
    if (hasErrorCode(error, 'RUNTIME_UNAVAILABLE')) return refused('QuotaExceeded', error.message);
    throw error;
  }
  const { runtime, ...choice } = chosen;
  const now = deps.clock.now();
  const traced = child.trace === null || child.trace === undefined ? {} : { trace: child.trace };
  const answer = await deps.executions.accept({
    tenant,
    mode,
    id,
    workflowId,
    version: version.version,
    programHash: version.programHash,
    runtime,
    choice,
    input,
    rootId: id,
    // Nobody waits for a detached child, nor for one that undoes: it is looked at instead.
    parent: child.detach || purpose === 'compensation' ? null : { executionId: parentId, step },
    ...(purpose === 'compensation' ? { lookedAtBy: step } : {}),
    depth,
    retryOf: null,
    carried: null,
    labels: {},
    priority: parent.priority,
    correlationId: parent.correlationId,
    ...traced,
    idempotency: null,
    now,
  });
  if (answer.kind === 'conflict') {
    return refused('Internal', `execution ${id} exists with another workflow or input`);
  }
  if (answer.kind === 'full') return refused('QuotaExceeded', 'too many wait to begin');
  if (answer.kind === 'parent_ended') return refused('Cancelled', 'nobody waits for the child');
  if (answer.kind === 'accepted') {
    deps.hints.accepted({ tenant, executionId: id, runtime, ...traced });
  }
  return { kind: 'started', executionId: answer.executionId };
}

async function ended(
  deps: ChildrenDeps,
  tenant: string,
  executionId: string,
  signal: AbortSignal,
): Promise<ChildEnd | null> {
  while (!signal.aborted) {
    const child = await deps.executions.getExecution(tenant, executionId);
    if (child === null) throw new TypeError(`no execution ${executionId}`);
    if (isFinal(child.status)) {
      // isFinal leaves these three.
      return { status: child.status as ChildEnd['status'], error: child.error };
    }
    await pause(deps.clock, signal);
  }
  return null;
}

function pause(clock: Clock, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      timer.cancel();
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = clock.after(LOOK_MS, done);
    signal.addEventListener('abort', done, { once: true });
  });
}

function refused(name: StepErrorName, message: string): ChildAnswer {
  return { kind: 'refused', error: { code: stepErrorCode(name), message } };
}
