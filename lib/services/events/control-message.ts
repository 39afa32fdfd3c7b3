import { eventEnvelope } from '#core/event-envelope.ts';
import type { Json } from '#core/json.ts';
import type { ControlCommand } from '#ports/engine-control.ts';

/** Of a command that says what to do; others only wake. */
export const CONTROL_TYPE = 'workflow.command.control';

/** The command as it stands on its topic. */
export function controlMessage(command: ControlCommand, at: number): string {
  const { id, tenant, executionId, signal, trace } = command;
  return JSON.stringify(
    eventEnvelope({
      ...{ id, at, tenant, correlationId: null, source: 'executions', type: CONTROL_TYPE, trace },
      payload: { execution_id: executionId, signal: signal as unknown as Json },
    }),
  );
}
