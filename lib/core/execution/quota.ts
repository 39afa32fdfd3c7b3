import { LIMITS } from '#core/dsl/limits.ts';
import type { StepError } from '#core/errors.ts';
import { stepErrorCode } from '#core/errors.ts';
import type { Json } from '#core/json.ts';
import { utf8Length } from '#core/json.ts';
import type { ExecutionEvent, QuotaName } from './events.ts';
import type { ExecutionState } from './state.ts';

/**
 * How much one execution may record on the engine (R43): loops within loops, each within its limit,
 * would otherwise go on for as long as anybody likes, in memory and on the disk.
 *
 * Q1 A step instance is counted when its body begins, so the events that end it always find room:
 *    the log of a stopped execution is at most the quota, one decision's surplus and its undoing.
 * Q2 Undoing is not counted: the budget of the ledger bounds it (R39).
 */
export type Quota = { readonly [K in QuotaName]: number };

export const QUOTA: Quota = { events: LIMITS.executionEvents, bytes: LIMITS.executionBytes };

/** What an execution has used up; null: nothing. */
export function exceededBy(state: ExecutionState, quota: Quota): QuotaName | null {
  if (state.seq + state.begun - state.completed > quota.events) return 'events';
  return state.bytes > quota.bytes ? 'bytes' : null;
}

export function quotaError(name: QuotaName): StepError {
  const allowed =
    name === 'events' ? `${QUOTA.events} events` : `${QUOTA.bytes} bytes of values in its events`;
  return {
    code: stepErrorCode('QuotaExceeded'),
    message: `one execution may record ${allowed}; divide the work among children (sub_workflow)`,
  };
}

/** Bytes of what an event carries of inputs, outputs and evaluated values, as JSON. */
export function valueBytes(event: ExecutionEvent): number {
  switch (event.type) {
    case 'execution_created':
      return bytesOf(event.input) + bytesOf(event.carried as unknown as Json);
    case 'step_started':
      return bytesOf(event.config);
    case 'answer_received':
      return bytesOf(event.result);
    case 'expression_evaluated':
      return event.value === undefined ? 0 : bytesOf(event.value);
    case 'step_succeeded':
      return bytesOf(event.output) + bytesOf(event.compensation?.config ?? null);
    case 'step_failed':
    case 'step_retry_scheduled':
      return bytesOf({ ...event.error });
    default:
      return 0;
  }
}

function bytesOf(value: Json): number {
  return value === null ? 0 : utf8Length(JSON.stringify(value));
}
