import type { Pool } from 'pg';
import type { ExecutionEvent, ExecutionStatus, RecordedEvent } from '#core/execution/events.ts';
import type { ExecutionRecorder } from '#ports/execution-store.ts';
import type { PayloadCodec } from '#ports/payload-codec.ts';
import { prepare, writeTransitions } from './append.ts';
import { isTransient } from './errors.ts';
import type { Partitions } from './partitions.ts';
import { withTenant } from './pool.ts';
import { decodeEvent, type HeaderRow, toHeader } from './rows.ts';

/**
 * Recording for the Step Functions runtime: there the state machine decides and tasks report what
 * happened, several at once and possibly twice.
 *
 *  R1 sequence numbers are given under the lock of the execution's row;
 *  R2 an event that is in the log already (same type, step and attempt) is not added again;
 *  R3 after the end nothing is added.
 */
export function createExecutionRecorder(deps: {
  /** Role `cloudflow_app`. */
  readonly pool: Pool;
  readonly codec: PayloadCodec;
  readonly partitions: Partitions;
}): ExecutionRecorder {
  const { pool, codec, partitions } = deps;
  return {
    async record(tenant, executionId, now, decide) {
      if (!partitions.has(now)) await partitions.ensure(now);
      for (let tries = 0; ; tries++) {
        try {
          return await withTenant(pool, tenant, async (client) => {
            const { rows } = await client.query<
              HeaderRow & { status: ExecutionStatus; epoch: number }
            >('select * from workflow_executions where tenant_id = $1 and id = $2 for update', [
              tenant,
              executionId,
            ]);
            const row = rows[0];
            if (row === undefined) return null;
            const { rows: stored } = await client.query<{
              seq: number;
              at: number;
              payload: string;
            }>(
              `select seq, at, payload from execution_events
               where tenant_id = $1 and execution_id = $2 order by seq`,
              [tenant, executionId],
            );
            const events = stored.map((each) => decodeEvent(codec, each, tenant));
            const recording = decide({ header: toHeader(row), status: row.status, events });
            const known = new Set(events.map((each) => eventKey(each.event)));
            const added: RecordedEvent[] = [];
            for (const event of recording.events) {
              const key = eventKey(event);
              if (known.has(key)) continue;
              known.add(key);
              added.push({ seq: events.length + added.length + 1, at: now, event });
            }
            if (added.length === 0) return added;
            await writeTransitions(client, codec, [
              prepare(codec, {
                tenant,
                executionId,
                epoch: row.epoch,
                events: added,
                steps: recording.steps,
                execution: recording.execution,
                checkpoint: null,
                consumedSignals: [],
                outbox: recording.outbox,
                parentSignal: recording.parentSignal,
                childSignals: recording.childSignals,
                now,
              }),
            ]);
            return added;
          });
        } catch (error) {
          if (!isTransient(error) || tries >= 3) throw error;
        }
      }
    },
  };
}

/** What makes two reports of one thing the same thing. */
function eventKey(event: ExecutionEvent): string {
  const parts: (string | number)[] = [event.type];
  if ('step' in event && event.step !== undefined) parts.push(event.step);
  switch (event.type) {
    case 'step_retry_scheduled':
    case 'attempt_started':
    case 'compensation_attempt_started':
    case 'compensation_retry_scheduled':
      parts.push(event.attempt);
      break;
    case 'iteration_started':
      parts.push(event.index);
      break;
    case 'expression_evaluated':
      parts.push(event.slot);
      break;
    case 'heartbeat_received':
      parts.push(event.due_at);
      break;
    default:
  }
  return JSON.stringify(parts);
}
