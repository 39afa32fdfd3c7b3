import type { Pool } from 'pg';
import { COMMANDS_TOPIC, TOPICS } from '#config/topics.ts';
import type { Json } from '#core/json.ts';
import type { CommandedSignals } from '#ports/engine-control.ts';
import type { PayloadCodec } from '#ports/payload-codec.ts';
import { readTenant } from './pool.ts';
import { seconds, signalAnswer } from './rows.ts';

/** A topic keeps a little longer than it says, and whoever reads it may come as late. */
const KEPT_MS = (TOPICS[COMMANDS_TOPIC].retentionDays + 1) * 86_400_000;

/** Signals that are stored once for each command. `pool`: role `cloudflow_app`. */
export function createCommandedSignals({
  pool,
  codec,
}: {
  readonly pool: Pool;
  readonly codec: PayloadCodec;
}): CommandedSignals {
  return {
    async store({ id, tenant, executionId, signal }, now) {
      const { rows } = await pool.query<{ found: string }>({
        name: 'signal_execution_once',
        text: `select signal_execution_once($1, $2, $3, to_timestamp($4), $5, to_timestamp($6))
                 as found`,
        values: [
          ...[tenant, id, executionId, seconds(now)],
          ...[codec.encode(signal as unknown as Json, tenant), seconds(now + KEPT_MS)],
        ],
      });
      return signalAnswer(rows[0]?.found);
    },
    isHeard(tenant, commandId) {
      return readTenant(pool, tenant, async (client) => {
        const { rows } = await client.query<{ waits: boolean }>({
          name: 'command_waits',
          text: `select exists (
                   select from execution_commands c
                   join execution_signals s on s.tenant_id = c.tenant_id
                     and s.execution_id = c.execution_id and s.id = c.signal_id
                   where c.tenant_id = $1 and c.command_id = $2) as waits`,
          values: [tenant, commandId],
        });
        return rows[0]?.waits === false;
      });
    },
  };
}
