import type { Pool } from 'pg';
import { COMMANDS_TOPIC } from '#config/topics.ts';
import { eventEnvelope } from '#core/event-envelope.ts';
import type { Clock } from '#ports/clock.ts';
import type { Ids } from '#ports/ids.ts';
import type { Log } from '#ports/log.ts';
import type { PayloadCodec } from '#ports/payload-codec.ts';
import type { ExecutionHint, SentHints } from '#ports/runtime-hints.ts';
import { type Batcher, createBatcher } from './batcher.ts';
import { isBatchPoison } from './errors.ts';
import type { Partitions } from './partitions.ts';
import { seconds } from './rows.ts';

interface Command {
  readonly hint: ExecutionHint;
  readonly reason: 'accepted' | 'signalled';
}

/**
 * Hints for engines in other processes, by the outbox and the topic of commands, so that who accepts an
 * execution needs no connection to brokers. Written after what they are about, and apart from it: engines find
 * their work by looking too, so one that is lost is logged and costs time alone. `pool`: role `cloudflow_app`.
 */
export function createCommands(deps: {
  readonly pool: Pool;
  readonly codec: PayloadCodec;
  readonly partitions: Partitions;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly log: Log;
}): SentHints {
  const { pool, codec, partitions, clock, ids, log } = deps;
  const writing: Batcher<Command, undefined> = createBatcher({
    lanes: 1,
    maxItems: 500,
    maxWaiting: 10_000,
    divisible: isBatchPoison,
    async write(commands) {
      const now = clock.now();
      if (!partitions.has(now)) await partitions.ensure(now);
      const byTenant = Map.groupBy(commands, ({ hint }) => hint.tenant);
      await Promise.all(
        [...byTenant].map(([tenant, own]) =>
          pool.query({
            name: 'publish_commands',
            text: 'select publish_commands($1, $2, to_timestamp($3), $4, $5)',
            values: [
              tenant,
              COMMANDS_TOPIC,
              seconds(now),
              own.map(({ hint }) => hint.executionId),
              own.map((command) => codec.encode(envelopeOf(command, now, ids.random()), tenant)),
            ],
          }),
        ),
      );
      return commands.map(() => undefined);
    },
  });

  function tell(command: Command): void {
    if (command.hint.runtime !== 'engine') return;
    writing.add(command).catch((error: unknown) => log.warn('COMMAND_NOT_SENT', { error }));
  }

  return {
    hints: {
      accepted: (hint) => tell({ hint, reason: 'accepted' }),
      signalled: (hint) => tell({ hint, reason: 'signalled' }),
    },
    settled: () => writing.drained(),
  };
}

/** Between programs of ours: its type is none of those that are published, so readers of events pass over it. */
function envelopeOf({ hint, reason }: Command, at: number, id: string) {
  return eventEnvelope({
    ...{ id, at, tenant: hint.tenant, correlationId: null, source: 'executions' },
    type: 'workflow.command.look',
    trace: hint.trace,
    payload: { execution_id: hint.executionId, reason },
  });
}
