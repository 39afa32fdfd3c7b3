import { eventEnvelope, WORKFLOW_EVENTS_TOPIC } from '#core/event-envelope.ts';
import { undoes } from '#core/execution/ending.ts';
import type { ExecutionEvent, ExecutionEventType } from '#core/execution/events.ts';
import { isFinal } from '#core/execution/events.ts';
import { indexOf, placeOf } from '#core/execution/program-index.ts';
import type { ExecutionState } from '#core/execution/state.ts';
import type { Program } from '#core/plan/program.ts';
import type {
  ChildSignal,
  ExecutionHeader,
  OutboxMessage,
  ParentSignal,
} from '#ports/execution-store.ts';
import type { Ids } from '#ports/ids.ts';

/** What leaves on `workflow.events`. Steps do so only where somebody asks: not here. */
const LIFECYCLE: { readonly [T in ExecutionEventType]?: string } = {
  execution_started: 'workflow.execution.started',
  execution_paused: 'workflow.execution.paused',
  execution_resumed: 'workflow.execution.resumed',
  compensation_started: 'workflow.execution.compensating',
  execution_completed: 'workflow.execution.completed',
  execution_failed: 'workflow.execution.failed',
  execution_cancelled: 'workflow.execution.cancelled',
};

const DEAD_LETTER_TOPIC = 'dead-letter-queue';

/** The messages that go out with these events, on both runtimes. `firstSeq` numbers the first. */
export function lifecycleMessages(
  header: ExecutionHeader,
  state: ExecutionState,
  events: readonly ExecutionEvent[],
  firstSeq: number,
  now: number,
  ids: Ids,
): OutboxMessage[] {
  const messages: OutboxMessage[] = [];
  const message = (topic: string, type: string, seq: number): OutboxMessage => ({
    topic,
    key: header.id,
    payload: eventEnvelope({
      id: ids.random(),
      type,
      at: now,
      correlationId: header.correlationId,
      tenant: header.tenant,
      source: 'workflow-engine',
      trace: state.trace,
      payload: {
        workflow_id: header.workflowId,
        version: header.version,
        execution_id: header.id,
        runtime: header.runtime,
        mode: header.mode,
        status: state.status,
        seq,
        ...(isFinal(state.status)
          ? {
              duration_ms: (state.endedAt ?? now) - header.createdAt,
              error: state.error === null ? null : { ...state.error },
              compensation: state.compensation,
            }
          : {}),
      },
    }),
  });
  for (let i = 0; i < events.length; i++) {
    const event = events[i] as ExecutionEvent;
    const type = LIFECYCLE[event.type];
    if (type !== undefined) messages.push(message(WORKFLOW_EVENTS_TOPIC, type, firstSeq + i));
    // An undo that could not be finished needs a person (rule 32).
    if ('compensation' in event && event.compensation === 'PARTIAL') {
      messages.push(
        message(DEAD_LETTER_TOPIC, 'workflow.execution.compensation_incomplete', firstSeq + i),
      );
    }
  }
  return messages;
}

/** What a child's end tells its parent; null while it runs, and for executions without a parent. */
export function signalToParent(
  header: ExecutionHeader,
  state: ExecutionState,
): ParentSignal | null {
  const { status } = state;
  if (header.parent === null || !isFinal(status)) return null;
  return {
    executionId: header.parent.executionId,
    signal: {
      kind: 'child_ended',
      step: header.parent.step,
      executionId: header.id,
      status: status as 'COMPLETED' | 'FAILED' | 'CANCELLED',
      output: state.output,
      error: state.error === null ? null : { code: state.error.code, message: state.error.message },
    },
  };
}

/**
 * What steps that have failed tell the children they waited for, whatever made them fail: a cancel, a
 * time limit, a lost end. Where the child's own failure did, it has ended and hears nothing.
 */
export function signalsToChildren(
  program: Program,
  header: ExecutionHeader,
  state: ExecutionState,
  events: readonly ExecutionEvent[],
): ChildSignal[] {
  const signals: ChildSignal[] = [];
  for (const event of events) {
    if (event.type !== 'step_failed') continue;
    const { step } = placeOf(indexOf(program), event.step).info;
    if (step.type !== 'sub_workflow' || step.mode !== 'wait') continue;
    signals.push({
      step: event.step,
      signal: {
        kind: 'cancel',
        by: null,
        compensate: undoes(program, state) ? true : null,
        reason: `parent ${header.id}: ${event.step}: ${event.error.message}`,
      },
    });
  }
  return signals;
}
