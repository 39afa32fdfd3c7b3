import pg from 'pg';
import { METRICS } from '#config/metrics.ts';
import { TIME_LIMITS } from '#config/time-limits.ts';
import type { Log } from '#ports/log.ts';
import { type Metrics, NO_METRICS } from '#ports/metrics.ts';
import type { Role } from './roles.ts';

/**
 * Connections as one role. Every pool of the platform is made here, so that the guards below hold
 * for all: a session never sits in an open transaction for long, and text means UTC.
 */
export interface PoolOptions {
  readonly url: string;
  /** Becomes this role at the start of each session; null: stays whoever the URL names. */
  readonly role: Role | null;
  /**
   * Logs in as `role` itself, with what this answers, asked anew for each session: the URL then names
   * host, port and database only. Session settings are the role's own (`giveLogins`), for a proxy in
   * between refuses them in the handshake and would pin a session that sets them later.
   */
  readonly password?: (role: Role) => Promise<string>;
  readonly max: number;
  /** Shown in pg_stat_activity. */
  readonly name: string;
  /** Further session settings. */
  readonly settings?: Readonly<Record<string, string>>;
  /** How long a connection may take to be had. Default: 10 seconds. */
  readonly connectMs?: number;
  readonly log: Log;
  readonly metrics?: Metrics;
}

/**
 * A process that is stopped inside a transaction holds its locks until the
 * server ends the session. 700 ms was measured to be enough for a take-over within a second. It holds
 * for whatever may write, whoever does: readers of the outbox wait for the oldest transaction that has,
 * and a batch of the engine for each row that is locked.
 */
export const IDLE_IN_TRANSACTION_MS = 700;
/** What only reads holds up nobody, so a process that stood still between two questions may go on. */
const IDLE_READING_MS = TIME_LIMITS.statement;

/** Callers wait for what these do. */
const SERVES_CALLERS: ReadonlySet<Role | null> = new Set<Role>([
  'cloudflow_app',
  'cloudflow_login',
]);

/** What holds for every session of a role, however it is told. */
export function sessionSettings(role: Role | null): Readonly<Record<string, string>> {
  const statementMs = SERVES_CALLERS.has(role) ? TIME_LIMITS.statement : TIME_LIMITS.longStatement;
  return {
    timezone: 'UTC',
    idle_in_transaction_session_timeout: `${IDLE_IN_TRANSACTION_MS}ms`,
    statement_timeout: `${statementMs}ms`,
  };
}

export function createPool(options: PoolOptions): pg.Pool {
  const metrics = options.metrics ?? NO_METRICS;
  const pool = new MeasuredPool(metrics, {
    ...access(options),
    max: options.max,
    application_name: options.name,
    connectionTimeoutMillis: options.connectMs ?? TIME_LIMITS.connection,
    idleTimeoutMillis: 30_000,
    types: { getTypeParser },
  });
  // A session that is ended while in use fails its next query, where the caller hears of it. Without a
  // listener the same news, coming between two queries, would end this process.
  pool.on('connect', (client) => client.on('error', () => undefined));
  // An idle session that the server ended is replaced at the next use.
  pool.on('error', (error) => {
    // `end` answers before the last sockets are closed, and a server that stops then says so.
    if (pool.ending) return;
    options.log.warn('DATABASE_SESSION_LOST', { pool: options.name, error });
  });
  return pool;
}

/** Counts connections that could not be had, also those for a single query. */
class MeasuredPool extends pg.Pool {
  readonly #metrics: Metrics;

  constructor(metrics: Metrics, config: pg.PoolConfig) {
    super(config);
    this.#metrics = metrics;
  }

  override connect(): Promise<pg.PoolClient>;
  override connect(callback: Connected): void;
  override connect(callback?: Connected): Promise<pg.PoolClient> | undefined {
    const failed = (): void => {
      if (!this.ending) this.#metrics.add(METRICS.DatabaseConnectFailures, {});
    };
    if (callback === undefined) {
      return super.connect().catch((error: unknown) => {
        failed();
        throw error;
      });
    }
    super.connect((error, client, done) => {
      if (error !== undefined) failed();
      callback(error, client, done);
    });
    return undefined;
  }
}

type Connected = (
  error: Error | undefined,
  client: pg.PoolClient | undefined,
  done: (release?: boolean | Error) => void,
) => void;

/** Tells how busy a pool is until it ends; `name` tells it from the others of its program. */
export function watchPool(metrics: Metrics, pool: pg.Pool, program: string, name: string): void {
  const dimensions = { Program: program, Pool: name };
  const used = () => ((pool.totalCount - pool.idleCount) / pool.options.max) * 100;
  metrics.watch(METRICS.PoolUse, dimensions, used);
  metrics.watch(METRICS.PoolWaiting, dimensions, () => pool.waitingCount);
}

function access({ url, role, password, settings }: PoolOptions): pg.PoolConfig {
  if (role !== null && password !== undefined) {
    const { hostname, port, pathname, searchParams } = new URL(url);
    return {
      host: hostname,
      port: port === '' ? 5432 : Number(port),
      database: decodeURIComponent(pathname.slice(1)),
      user: role,
      password: () => password(role),
      // With the certificate of the host verified, which is what the driver does by default.
      ssl: searchParams.get('sslmode') !== 'disable',
    };
  }
  const all = { ...sessionSettings(role), ...(role === null ? {} : { role }), ...settings };
  return {
    connectionString: url,
    options: Object.entries(all)
      .map(([name, value]) => `-c ${name}=${value.replaceAll(/[\\ ]/g, '\\$&')}`)
      .join(' '),
  };
}

/** Business times are milliseconds everywhere; jsonb is parsed, int8 stays text. */
function getTypeParser(oid: number, format?: 'text' | 'binary'): (value: string) => unknown {
  if (oid === pg.types.builtins.TIMESTAMPTZ) return (value) => Date.parse(value);
  return format === undefined
    ? pg.types.getTypeParser(oid)
    : (pg.types.getTypeParser(oid, format as 'text') as (value: string) => unknown);
}

/**
 * Runs `work` in one transaction of one tenant. Row-level security sees the tenant until the end of
 * the transaction and not a statement longer.
 */
export async function withTenant<T>(
  pool: pg.Pool,
  tenant: string,
  work: (client: pg.PoolClient) => Promise<T>,
): Promise<T> {
  // In one trip with its beginning: every question of every tenant waits for it.
  const begin = `begin; select set_config('app.tenant', ${pg.escapeLiteral(tenant)}, true)`;
  return inTransaction(pool, begin, work);
}

/**
 * As `withTenant`, for work that only reads: PostgreSQL refuses it whatever writes or locks (25006), and
 * ends its session late instead of at once when this process stands still.
 */
export async function readTenant<T>(
  pool: pg.Pool,
  tenant: string,
  work: (client: pg.PoolClient) => Promise<T>,
): Promise<T> {
  const begin = `begin read only; select set_config('app.tenant', ${pg.escapeLiteral(tenant)}, true),
    set_config('idle_in_transaction_session_timeout', '${IDLE_READING_MS}ms', true)`;
  return inTransaction(pool, begin, work);
}

export function withTransaction<T>(
  pool: pg.Pool,
  work: (client: pg.PoolClient) => Promise<T>,
): Promise<T> {
  return inTransaction(pool, 'begin', work);
}

async function inTransaction<T>(
  pool: pg.Pool,
  begin: string,
  work: (client: pg.PoolClient) => Promise<T>,
): Promise<T> {
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    await client.query(begin);
    const result = await work(client);
    await client.query('commit');
    return result;
  } catch (error) {
    try {
      await client.query('rollback');
    } catch (lost) {
      // The session is gone, and its transaction with it: the pool must not hand it out again.
      broken = lost as Error;
    }
    throw error;
  } finally {
    client.release(broken);
  }
}
