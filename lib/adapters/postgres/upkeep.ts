import type { Pool } from 'pg';
import { METRICS } from '#config/metrics.ts';
import { TOPICS } from '#config/topics.ts';
import type { Ids } from '#ports/ids.ts';
import type { Log } from '#ports/log.ts';
import type { Metrics } from '#ports/metrics.ts';
import type { PayloadCodec } from '#ports/payload-codec.ts';
import { tellDoing } from './audit-doings.ts';
import { createOutboxReader, type OutboxGroup } from './outbox.ts';
import { type Purged, purgeExpired } from './purge.ts';

/** As long as the longest-kept topic that consumers read from here; longer what they have not read. */
const OUTBOX_KEPT_MS = TOPICS['workflow.events'].retentionDays * 86_400_000;

export interface Upkeep {
  readonly purged: Purged;
  /** Days of the outbox. */
  readonly dropped: number;
  /** Days of it that would have gone if everybody who reads it had read them. */
  readonly kept: number;
}

/** Lets go of what nothing can ask for any more. `relay`: role `cloudflow_relay`. */
export async function letGo(
  deps: {
    readonly relay: Pool;
    readonly codec: PayloadCodec;
    readonly ids: Pick<Ids, 'next'>;
    /** Whoever reads the outbox here. */
    readonly readers: readonly OutboxGroup[];
    readonly log: Log;
    readonly metrics: Metrics;
  },
  now: number,
): Promise<Upkeep> {
  const purged = await purgeExpired(deps.relay, now);
  const outbox = createOutboxReader({ pool: deps.relay, codec: deps.codec });
  const { dropped, kept } = await outbox.dropBefore(now - OUTBOX_KEPT_MS, deps.readers);
  deps.metrics.add(METRICS.OutboxDaysKept, {}, kept);
  if (kept > 0) deps.log.error('OUTBOX_DAYS_KEPT', { count: kept });
  const gone = { ...purged, outbox_days: dropped };
  // It had expired, whether this is told or not: not one transaction over all those tables.
  if (Object.values(gone).some((count) => count > 0)) {
    await tellDoing(deps.relay, deps.ids, {
      ...{ operation: 'deleteExpired', target: null, details: gone, at: now },
    });
  }
  return { purged, dropped, kept };
}
