import { eventEnvelope } from '#core/event-envelope.ts';
import type { Json } from '#core/json.ts';
import type { ControlCommand } from '#ports/engine-control.ts';

/** Of a command that says what to do; others only wake. */
export const CONTROL_TYPE = 'workflow.command.control';

/** The command as it stands on its topic. */
export function controlMessage({ id, tenant, executionId, signal }: ControlCommand, at: number) {
  return JSON.stringify(
    eventEnvelope({
      ...{ id, at, tenant, correlationId: null, source: 'executions', type: CONTROL_TYPE },
      payload: { execution_id: executionId, signal: signal as unknown as Json },
    }),
  );
}
