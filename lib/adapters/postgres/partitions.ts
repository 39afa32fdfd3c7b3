import type { Pool } from 'pg';
import type { Clock } from '#ports/clock.ts';
import type { Log } from '#ports/log.ts';

const DAY_MS = 86_400_000;
const MONTHS_AHEAD_MS = 100 * DAY_MS;
const JOB_EVERY_MS = DAY_MS / 2;
/** Days and months seen; a process meets few, and a hostile clock must not grow this for ever. */
const MOST_REMEMBERED = 4_096;

/**
 * Sees to it that a row of a given business time has a partition. Remembers what it has seen, so the
 * hot path asks the database once a day; a clock that jumps a year asks once more.
 */
export interface Partitions {
  /** Synchronous answer for the hot path: true when the day is known to have its partitions. */
  has(at: number): boolean;
  ensure(at: number): Promise<void>;
}

export function createPartitions(pool: Pool): Partitions {
  const days = new Set<number>();
  const asked = new Map<number, Promise<void>>();
  return {
    has: (at) => days.has(Math.floor(at / DAY_MS)),
    ensure(at) {
      const day = Math.floor(at / DAY_MS);
      if (days.has(day)) return Promise.resolve();
      let asking = asked.get(day);
      if (asking === undefined) {
        asking = pool
          .query('select ensure_partitions(to_timestamp($1), to_timestamp($1))', [at / 1_000])
          .then(() => {
            if (days.size >= MOST_REMEMBERED) days.clear();
            // The outbox gets this day and three more, the others this day's month.
            days.add(day);
          })
          .finally(() => asked.delete(day));
        asked.set(day, asking);
      }
      return asking;
    },
  };
}

/** Makes what is missing from `now` to months ahead; answers how many. */
export async function makePartitions(pool: Pool, now: number): Promise<number> {
  const { rows } = await pool.query<{ made: number }>(
    'select ensure_partitions(to_timestamp($1), to_timestamp($2)) as made',
    [now / 1_000, (now + MONTHS_AHEAD_MS) / 1_000],
  );
  return rows[0]?.made ?? 0;
}

export interface PartitionJob {
  /** Makes what is missing from now to months ahead. */
  run(): Promise<number>;
  stop(): void;
}

/** Makes partitions months ahead, now and twice a business day; a failure is logged and tried again. */
export function createPartitionJob(deps: {
  readonly pool: Pool;
  readonly clock: Clock;
  readonly log: Log;
}): PartitionJob {
  const { pool, clock, log } = deps;
  let timer: { cancel(): void } | null = null;
  let stopped = false;

  const run = (): Promise<number> => makePartitions(pool, clock.now());

  function arm(): void {
    if (stopped) return;
    timer = clock.schedule(clock.now() + JOB_EVERY_MS, () => {
      arm();
      run()
        .then((made) => {
          if (made > 0) log.info('PARTITIONS_MADE', { count: made });
        })
        .catch((error: unknown) => log.error('PARTITIONS_NOT_MADE', { error }));
    });
  }

  arm();
  return {
    run,
    stop() {
      stopped = true;
      timer?.cancel();
    },
  };
}
