import type { Body, ResponseBody } from '#contract/routes.ts';
import { type ApiErrorCode, CloudFlowError } from '#core/errors.ts';
import { isFinal } from '#core/execution/events.ts';
import { refusal } from '#core/execution/refusal.ts';
import type { ExecutionState } from '#core/execution/state.ts';
import type { ControlSignal } from '#ports/engine-control.ts';
import { type ExecutionRecord, QUEUED_PHASE, type StoredSignal } from '#ports/execution-store.ts';
import type { Principal } from '../identity/principal.ts';
import { notFound } from '../shared/problems.ts';
import type { ExecutionDeps } from './deps.ts';
import { type CallFacts, tracedBy } from './execute-workflow.ts';
import { loadState, requireExecution } from './load-state.ts';
import { presentExecution } from './present.ts';

type OperatingDeps = Pick<ExecutionDeps, 'executions' | 'programs' | 'hints' | 'control' | 'clock'>;

export interface Operating extends Pick<CallFacts, 'trace'> {
  /** Whether the answer waits until an engine has heard it, as long as engines may take to say so. */
  readonly wait?: boolean;
}

/**
 * Cancel, pause and resume: a signal that is stored when this resolves. Whether it is refused is
 * asked of the core, on the state that will be once the signals before it have been heard.
 */
export async function cancelExecution(
  deps: OperatingDeps,
  principal: Principal,
  executionId: string,
  body: Body<'cancelExecution'>,
  how: Operating = {},
): Promise<ResponseBody<'cancelExecution'>> {
  const record = await requireExecution(deps, principal, executionId);
  const { compensate = null, reason = null } = body;
  const signal = { kind: 'cancel', by: principal.subject, compensate, reason } as const;
  return control(deps, principal, record, signal, how);
}

export async function pauseExecution(
  deps: OperatingDeps,
  principal: Principal,
  executionId: string,
  how: Operating = {},
): Promise<ResponseBody<'pauseExecution'>> {
  const record = await requireExecution(deps, principal, executionId);
  requireEngine(record);
  requireBegun(record);
  return control(deps, principal, record, { kind: 'pause', by: principal.subject }, how);
}

export async function resumeExecution(
  deps: OperatingDeps,
  principal: Principal,
  executionId: string,
  how: Operating = {},
): Promise<ResponseBody<'resumeExecution'>> {
  const record = await requireExecution(deps, principal, executionId);
  requireEngine(record);
  return control(deps, principal, record, { kind: 'resume', by: principal.subject }, how);
}

/** Lets one go that was set aside: whoever asks has looked at it. */
export async function releaseExecution(
  deps: OperatingDeps,
  principal: Principal,
  executionId: string,
): Promise<ResponseBody<'releaseExecution'>> {
  const record = await requireExecution(deps, principal, executionId);
  const { tenant } = principal;
  if (!(await deps.executions.releaseQuarantined(tenant, record.id, deps.clock.now()))) {
    throw refused('EXECUTION_NOT_QUARANTINED', record);
  }
  deps.hints.accepted({ tenant, executionId: record.id, runtime: record.runtime });
  return presentExecution(await requireExecution(deps, principal, record.id));
}

/** One that waits to be let in is held by its workflow, and by nothing else. */
function requireBegun(record: ExecutionRecord): void {
  if (record.phase !== QUEUED_PHASE) return;
  throw new CloudFlowError(
    'CONFLICT',
    `execution ${record.id} waits to begin; pause and resume its workflow, or cancel it`,
    { details: { execution_status: record.status } },
  );
}

function requireEngine(record: ExecutionRecord): void {
  if (record.runtime === 'engine' || isFinal(record.status)) return;
  throw new CloudFlowError(
    'RUNTIME_CANNOT_PAUSE',
    'step_functions cannot pause an execution; start it with runtime engine to be able to',
    { details: { runtime: record.runtime, runtime_that_can: 'engine' } },
  );
}

async function control(
  deps: OperatingDeps,
  principal: Principal,
  record: ExecutionRecord,
  signal: ControlSignal,
  { wait = false, trace = null }: Operating,
): Promise<ResponseBody<'cancelExecution'>> {
  const { tenant } = principal;
  if (isFinal(record.status)) throw refused('EXECUTION_FINISHED', record);
  if (record.quarantine !== null) throw refused('EXECUTION_QUARANTINED', record);
  const { program, state, loaded } = await loadState(deps, tenant, record.id);
  const code = refusal(program, heard(state, loaded.signals), signal);
  if (code !== null) throw refused(code, record);
  const asked = wait && record.runtime === 'engine' ? (deps.control ?? null) : null;
  const answer =
    asked === null
      ? await deps.executions.signal(tenant, record.id, signal, deps.clock.now())
      : await asked.signal(tenant, record.id, signal, tracedBy({ trace }).trace);
  if (answer.kind === 'not_found') throw notFound('execution');
  if (answer.kind === 'finished') throw refused('EXECUTION_FINISHED', record);
  if (asked === null) {
    const { id: executionId, runtime } = record;
    deps.hints.signalled({ tenant, executionId, runtime, signal, ...tracedBy({ trace }) });
  }
  return presentExecution(await requireExecution(deps, principal, record.id));
}

/** The state as it will be when what was stored before has been heard, as far as `refusal` looks. */
function heard(state: ExecutionState, signals: readonly StoredSignal[]): ExecutionState {
  let { paused, cancel } = state;
  for (const { signal } of signals) {
    if (signal.kind === 'pause') paused = true;
    if (signal.kind === 'resume') paused = false;
    if (signal.kind === 'cancel') {
      cancel = { by: signal.by, compensate: signal.compensate ?? false, reason: signal.reason };
    }
  }
  return { ...state, paused, cancel };
}

const WORDS: { readonly [C in ApiErrorCode]?: string } = {
  EXECUTION_FINISHED: 'its end is decided, so it can no longer be changed; retry it instead',
  EXECUTION_NOT_PAUSED: 'it is not paused',
  CONFLICT: 'it is paused already',
  EXECUTION_QUARANTINED:
    'it is set aside, since what is stored of it contradicts itself; look at it, then release it',
  EXECUTION_NOT_QUARANTINED: 'it is not set aside',
};

function refused(code: ApiErrorCode, record: ExecutionRecord): CloudFlowError {
  return new CloudFlowError(
    code,
    `execution ${record.id}: ${WORDS[code] ?? 'it is not possible now'}`,
    {
      details: { execution_status: record.status },
    },
  );
}
