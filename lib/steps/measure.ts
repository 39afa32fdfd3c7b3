import { METRICS } from '#config/metrics.ts';
import { STEP_ERRORS } from '#core/errors.ts';
import type { RecordedEvent, StepKey, StepStatus } from '#core/execution/events.ts';
import { indexOf, placeOf } from '#core/execution/program-index.ts';
import { type ExecutionState, stepAt } from '#core/execution/state.ts';
import type { Program } from '#core/plan/program.ts';
import type { ExecutionHeader } from '#ports/execution-store.ts';
import type { Log } from '#ports/log.ts';
import type { Metrics } from '#ports/metrics.ts';

/** Who hears of what executions do. */
export interface Witness {
  readonly metrics: Metrics;
  readonly log: Log;
}

/**
 * Measures what was just made durable, on either runtime: call it once for every event, after the
 * write. `state` is what they led to. Times are business time, as the log has them.
 */
export function measureEvents(
  { metrics, log }: Witness,
  program: Program,
  header: ExecutionHeader,
  state: ExecutionState,
  events: readonly RecordedEvent[],
): void {
  const { runtime } = header;
  const ended = (key: StepKey, status: StepStatus, at: number): void => {
    const place = placeOf(indexOf(program), key);
    const { type } = place.info.step;
    metrics.add(METRICS.StepsEnded, { StepType: type, Status: status });
    const { startedAt } = stepAt(state, place);
    if (startedAt !== null) metrics.add(METRICS.StepDuration, { StepType: type }, at - startedAt);
  };
  for (const { event, at } of events) {
    switch (event.type) {
      case 'execution_started':
        metrics.add(METRICS.ExecutionsStarted, { Runtime: runtime });
        metrics.add(METRICS.StartDelay, { Runtime: runtime }, at - header.createdAt);
        break;
      case 'step_succeeded':
        ended(event.step, 'SUCCESS', at);
        break;
      case 'step_skipped':
        ended(event.step, 'SKIPPED', at);
        break;
      case 'step_failed':
        ended(event.step, 'FAILED', at);
        metrics.add(METRICS.StepErrors, { Error: errorOf(event.error.code) });
        break;
      case 'step_retry_scheduled': {
        const { type } = placeOf(indexOf(program), event.step).info.step;
        metrics.add(METRICS.StepRetries, { StepType: type });
        break;
      }
      case 'execution_completed':
      case 'execution_failed':
      case 'execution_cancelled': {
        const { status } = state;
        const took = at - header.createdAt;
        metrics.add(METRICS.ExecutionsEnded, { Runtime: runtime, Status: status });
        metrics.add(METRICS.ExecutionDuration, { Runtime: runtime }, took);
        if (state.compensation === 'PARTIAL') metrics.add(METRICS.CompensationsIncomplete, {});
        log.info('EXECUTION_ENDED', {
          tenant: header.tenant,
          execution_id: header.id,
          correlation_id: header.correlationId,
          runtime,
          outcome: status,
          duration_ms: took,
          ...(state.error === null ? {} : { reason: errorOf(state.error.code) }),
        });
        break;
      }
      default:
        break;
    }
  }
}

/** Authors name errors of their own; those are not ours to tell. */
function errorOf(code: string): string {
  const name = code.startsWith('CloudFlow.') ? code.slice('CloudFlow.'.length) : '';
  return Object.hasOwn(STEP_ERRORS, name) ? name : 'Custom';
}
