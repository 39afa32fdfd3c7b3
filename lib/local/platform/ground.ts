import { join } from 'node:path';
import pg from 'pg';
import { createIds } from '#adapters/local/ids.ts';
import { createSystemClock } from '#adapters/local/system-clock.ts';
import { createLocalMetrics } from '#adapters/metrics/local-metrics.ts';
import { migrate } from '#adapters/postgres/migrate.ts';
import {
  createPartitionJob,
  createPartitions,
  type Partitions,
} from '#adapters/postgres/partitions.ts';
import { createPlainCodec } from '#adapters/postgres/payload-codec.ts';
import { createPool, watchPool } from '#adapters/postgres/pool.ts';
import type { Role } from '#adapters/postgres/roles.ts';
import type { Clock } from '#ports/clock.ts';
import type { Ids } from '#ports/ids.ts';
import type { Log } from '#ports/log.ts';
import type { PayloadCodec } from '#ports/payload-codec.ts';
import type { Tracer } from '#ports/tracer.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../embedded-postgres.ts';
import { openStateFolder, type StateFolder } from '../state-folder.ts';
import { openTracer } from '../traces.ts';
import { createVirtualClock, type VirtualClock } from '../virtual-clock.ts';
import type { OnStop, PlatformOptions } from './options.ts';

const DATABASE = 'cloudflow';

/** What every part of the platform stands on. */
export interface Ground {
  readonly state: StateFolder;
  readonly postgresUrl: string;
  /** Of a server that is our own: resolves when it ends unasked. Null: it is somebody else's. */
  readonly databaseLost: Promise<void> | null;
  readonly pools: Pools;
  readonly partitions: Partitions;
  /** Of leases, polls and sockets. */
  readonly realClock: Clock;
  readonly virtualClock: VirtualClock | null;
  /** Of business: the virtual one, if there is one. */
  readonly clock: Clock;
  readonly ids: Ids;
  readonly codec: PayloadCodec;
  readonly log: Log;
  readonly metrics: ReturnType<typeof createLocalMetrics>;
  readonly tracer: Tracer;
  readonly onStop: OnStop;
}

/** By who uses them, so that none waits for sessions of another. */
interface Pools {
  readonly accept: pg.Pool;
  readonly app: pg.Pool;
  readonly engine: pg.Pool;
  readonly driver: pg.Pool;
  readonly relay: pg.Pool;
  readonly login: pg.Pool;
  readonly events: pg.Pool;
}

/** Opens the folder, the database and its pools, and brings its tables up to date. */
export async function layGround(options: PlatformOptions, onStop: OnStop): Promise<Ground> {
  const { log } = options;
  const state = await openStateFolder(options.folder, { fresh: options.fresh });
  onStop(() => state.close());
  const database =
    options.databaseUrl === null
      ? await startDatabase(state, onStop)
      : { url: options.databaseUrl, lost: null };
  await migrate(database.url);

  const realClock = createSystemClock();
  const virtualClock =
    options.clock === 'virtual' ? await openVirtualClock(state, realClock) : null;
  const clock: Clock = virtualClock ?? realClock;
  const metrics = createLocalMetrics();
  const tracer = openTracer(options.traces, realClock, onStop);
  const pool = (role: Role, name: string, max: number): pg.Pool => {
    const made = createPool({
      url: database.url,
      role,
      max,
      name: `cloudflow ${name}`,
      log,
      metrics,
    });
    watchPool(metrics, made, 'platform', name);
    onStop(() => made.end());
    return made;
  };
  const pools: Pools = {
    accept: pool('cloudflow_app', 'accept', 4),
    app: pool('cloudflow_app', 'api', 16),
    engine: pool('cloudflow_engine', 'engine', 6),
    driver: pool('cloudflow_engine', 'step functions', 4),
    relay: pool('cloudflow_relay', 'relay', 2),
    login: pool('cloudflow_login', 'login', 4),
    events: pool('cloudflow_relay', 'events', 6),
  };
  const partitionJob = createPartitionJob({ pool: pools.engine, clock, log });
  onStop(async () => partitionJob.stop());
  await partitionJob.run();
  return {
    ...{ state, pools, realClock, virtualClock, clock, log, metrics, tracer, onStop },
    postgresUrl: database.url,
    databaseLost: database.lost,
    partitions: createPartitions(pools.engine),
    ids: createIds(),
    codec: createPlainCodec(),
  };
}

interface Database {
  readonly url: string;
  /** Resolves when the server ends without having been asked to. */
  readonly lost: Promise<void>;
}

async function startDatabase(state: StateFolder, onStop: OnStop): Promise<Database> {
  const postgres: EmbeddedPostgres = await startEmbeddedPostgres({
    directory: join(state.path, 'postgres'),
    durability: 'durable',
  });
  let wanted = false;
  onStop(() => {
    wanted = true;
    return postgres.stop();
  });
  const client = new pg.Client({ connectionString: postgres.url });
  await client.connect();
  try {
    const { rowCount } = await client.query('select 1 from pg_database where datname = $1', [
      DATABASE,
    ]);
    if (rowCount === 0) await client.query(`create database ${DATABASE}`);
  } finally {
    await client.end();
  }
  const lost = new Promise<void>((resolve) => {
    void postgres.ended.then(() => {
      if (!wanted) resolve();
    });
  });
  return { url: postgres.urlOf(DATABASE), lost };
}

/** Goes on from where the last start left it, or from now. */
async function openVirtualClock(state: StateFolder, realClock: Clock): Promise<VirtualClock> {
  const start = (await state.readVirtualTime()) ?? realClock.now();
  await state.keepVirtualTime(start);
  return createVirtualClock({ start, keep: (time) => state.keepVirtualTime(time) });
}
