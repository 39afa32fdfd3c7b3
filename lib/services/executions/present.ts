import type { ResponseBody } from '#contract/routes.ts';
import type { RecordedEvent } from '#core/execution/events.ts';
import type { HeldBecause, HeldStart } from '#core/execution/held.ts';
import type { Wait } from '#core/execution/waits.ts';
import type { Json } from '#core/json.ts';
import type { ApprovalRecord, ExecutionSummary, StepRecord } from '#ports/execution-store.ts';
import type { QuarantinedExecution } from '#ports/quarantine.ts';
import { iso, isoOrNull } from '../shared/present.ts';

type SummaryBody = ResponseBody<'listExecutions'>['items'][number];
type WaitBody = ResponseBody<'getExecution'>['waits'][number];

export function presentExecution(record: ExecutionSummary): SummaryBody {
  return {
    id: record.id,
    workflow_id: record.workflowId,
    version: record.version,
    runtime: record.runtime,
    status: record.status,
    phase: record.phase,
    labels: record.labels,
    priority: record.priority,
    created_at: iso(record.createdAt),
    started_at: isoOrNull(record.startedAt),
    ended_at: isoOrNull(record.endedAt),
    error: record.error === null ? null : presentError(record.error),
    retry_of: record.retryOf,
    root_id: record.rootId,
    parent:
      record.parent === null
        ? null
        : { execution_id: record.parent.executionId, step: record.parent.step },
    correlation_id: record.correlationId,
  };
}

export function presentQuarantine({ code, reason, at }: QuarantinedExecution) {
  return { code, reason, at: iso(at) };
}

function presentError(error: NonNullable<ExecutionSummary['error']>) {
  const { code, message, step } = error;
  return { code, message, ...(step === undefined ? {} : { step }) };
}

/** What the log says of one transition, its step apart. */
export function presentEvent({
  seq,
  at,
  event,
}: RecordedEvent): ResponseBody<'listEvents'>['items'][number] {
  const { type, ...rest } = event;
  const { step = null, ...data } = rest as { step?: string } & Record<string, Json>;
  return { seq, at: iso(at), type, step, data };
}

export function presentTimeline({
  seq,
  at,
  event,
}: RecordedEvent): ResponseBody<'getExecution'>['timeline'][number] {
  return { seq, at: iso(at), event: event.type, step: 'step' in event ? event.step : null };
}

export function presentStep(
  record: StepRecord,
  type: string | null,
): ResponseBody<'listSteps'>['items'][number] {
  return {
    step: record.step,
    type,
    status: record.status,
    phase: record.phase,
    reason: record.reason,
    attempts: record.attempts,
    started_at: isoOrNull(record.startedAt),
    ended_at: isoOrNull(record.endedAt),
    due_at: isoOrNull(record.dueAt),
    output: record.output,
    error: record.error,
  };
}

export function presentApproval(
  record: ApprovalRecord,
): ResponseBody<'listApprovals'>['items'][number] {
  return {
    id: record.id,
    execution_id: record.executionId,
    workflow_id: record.workflowId,
    step: record.step,
    assignees: [...record.assignees],
    message: record.message,
    status: record.status,
    requested_at: iso(record.requestedAt),
    due_at: iso(record.dueAt),
    answer:
      record.answeredBy === null || record.answeredAt === null
        ? null
        : { by: record.answeredBy, at: iso(record.answeredAt), comment: record.comment },
  };
}

const HELD: { readonly [B in HeldBecause]: (held: HeldStart) => string } = {
  paused: () => 'waits until its workflow is resumed',
  workflow_concurrency: ({ running, limit }) =>
    `${running} of ${limit} executions of its workflow run`,
  workflow_starts: ({ until }) =>
    `its workflow begins as many as it may; the next at ${isoOrNull(until)}`,
  tenant_concurrency: ({ running, limit }) => `${running} of ${limit} executions run in all`,
  tenant_starts: ({ until }) => `as many begin in all as may; the next at ${isoOrNull(until)}`,
  counting: () => 'a limit is new, and what runs is being counted',
  turn: () => 'goes as soon as those before it have',
};

/** A mapped table: a reason without words does not compile. */
type Told = {
  readonly on?: readonly string[];
  readonly until?: number | null;
  readonly detail: string;
};
type Tell<K extends Wait['kind']> = (wait: Extract<Wait, { kind: K }>) => Told;

const TELL: { readonly [K in Wait['kind']]: Tell<K> } = {
  start: () => ({ detail: 'accepted; waits to be taken up' }),
  turn: (held) => ({
    until: held.until,
    detail: `accepted; ${HELD[held.because](held)}; place ${held.place} of ${held.waiting} of its workflow that wait`,
  }),
  dependencies: ({ on }) => ({ on, detail: `waits for ${on.join(', ')}` }),
  evaluation: () => ({ detail: 'an expression is being evaluated' }),
  attempt: ({ attempt, since }) => ({
    detail: `attempt ${attempt} runs since ${iso(since)}`,
  }),
  retry: ({ attempt, at }) => ({ until: at, detail: `attempt ${attempt} is due at ${iso(at)}` }),
  timer: ({ until }) => ({ until, detail: `waits until ${iso(until)}` }),
  approval: ({ until }) => ({ until, detail: `waits for an approval, until ${iso(until)}` }),
  callback: ({ until, heartbeat }) => ({
    until,
    detail: heartbeat
      ? `waits for a callback, until its heartbeat is due at ${iso(until)}`
      : `waits for a callback, until ${iso(until)}`,
  }),
  child: ({ execution_id, until }) => ({
    on: execution_id === null ? [] : [execution_id],
    until,
    detail: execution_id === null ? 'starts its child' : `waits for execution ${execution_id}`,
  }),
  body: ({ on }) => ({ on, detail: `waits for ${on.join(', ')}` }),
  slot: ({ from, to }) => ({ detail: `iterations ${from} to ${to} wait for one to end` }),
  pause: () => ({ detail: 'paused; waits to be resumed' }),
  compensation: ({ of, at }) => ({
    on: [of],
    until: at,
    detail:
      at === null
        ? `the compensation of ${of} runs`
        : `the compensation of ${of} is due at ${iso(at)}`,
  }),
  engine: () => ({ detail: 'goes on as soon as the last transition is stored' }),
  deadline: ({ until }) => ({ until, detail: `ends by its timeout at ${iso(until)}` }),
};

/** Large fan-outs wait for hundreds of steps: some of them say what there is to say. */
const SHOWN = 50;

export function presentWait(wait: Wait): WaitBody {
  const shortened = 'on' in wait ? { ...wait, on: wait.on.slice(0, SHOWN) } : wait;
  const told = (TELL[wait.kind] as Tell<Wait['kind']>)(shortened);
  return {
    step: wait.step,
    reason: wait.kind,
    on: [...(told.on ?? [])],
    until: isoOrNull(told.until ?? null),
    detail: told.detail,
  };
}
