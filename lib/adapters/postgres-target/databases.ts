/**
 * Registered statements on PostgreSQL databases of tenants.
 *
 *  D1 the connection goes to the address that the guard answered, checked again on the socket before
 *     the first message.
 *  D2 a statement travels in the extended protocol: one statement, values apart from its text.
 *  D3 a write and its marker commit together; a key that has a marker is never run again (promise 5).
 *  D4 limits hold from outside: tenant SQL can undo every setting of its session, so time is kept here
 *     and the backend is cancelled, then terminated, through a second session; rows and bytes are
 *     counted here and the connection is cut. Nothing of a cut statement is committed.
 *  D5 a session is never used again after anything went wrong in it.
 */
import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import pg from 'pg';
import type {
  DatabaseAnswer,
  DatabaseRequest,
  DatabaseResult,
  Databases,
} from '#ports/databases.ts';
import { EGRESS_REFUSED, type EgressGuard } from '#ports/egress.ts';
import type { Log } from '#ports/log.ts';
import { columnTypes } from './column-types.ts';
import { explain, failed } from './explain.ts';
import { GuardedClient, type GuardedConfig } from './guarded-client.ts';

import { runStatement } from './run-statement.ts';

export interface PostgresDatabasesOptions {
  readonly guard: EgressGuard;
  readonly log: Log;
  readonly connectTimeoutMs?: number;
  /** How long a cancelled backend may take before it is terminated. */
  readonly cancelGraceMs?: number;
  /** Pools that are kept, across tenants. */
  readonly pools?: number;
}

interface Target {
  readonly pool: pg.Pool;
  readonly config: GuardedConfig;
  /** True once the marker table was seen; its absence is looked for again. */
  hostsMarkers: boolean;
}

/** How long the second session may take to connect, and to each of its two statements. */
const HELPER_MS = 2_000;

/** Bytes that one session may receive for what is not a result: login, notices, answers to our own. */
const OVERHEAD_BYTES = 65_536;

export function createPostgresDatabases(options: PostgresDatabasesOptions): Databases {
  const { guard, log } = options;
  const connectTimeoutMs = options.connectTimeoutMs ?? 10_000;
  const cancelGraceMs = options.cancelGraceMs ?? 500;
  const closing = new Set<Promise<void>>();
  const targets = new LRUCache<string, Target>({
    max: options.pools ?? 500,
    dispose: ({ pool }) => {
      const ended: Promise<void> = pool.end().finally(() => closing.delete(ended));
      closing.add(ended);
    },
  });

  function targetOf(request: DatabaseRequest, address: string): Target {
    const { spec, login } = request;
    const password = login.password.reveal();
    // The secret is part of whose session it is: after a change, old sessions are not handed out.
    const key = JSON.stringify([
      request.tenant,
      request.mode,
      request.connection,
      request.revision,
      address,
      login.username,
      createHash('sha256').update(password).digest('base64'),
    ]);
    let target = targets.get(key);
    if (target === undefined) {
      const config: GuardedConfig = {
        host: address,
        port: spec.port ?? 5432,
        database: spec.database,
        user: login.username,
        password,
        ssl: tlsOf(request),
        application_name: 'cloudflow',
        connectionTimeoutMillis: connectTimeoutMs,
        keepAlive: true,
        types: columnTypes,
      };
      const pool = new pg.Pool({
        ...config,
        Client: GuardedClient as unknown as new () => pg.Client,
        max: spec.max_connections ?? 5,
        idleTimeoutMillis: 30_000,
        maxLifetimeSeconds: 900,
      });
      pool.on('error', (error) =>
        log.info('TARGET_SESSION_LOST', { tenant: request.tenant, error }),
      );
      target = { pool, config, hostsMarkers: false };
      targets.set(key, target);
    }
    return target;
  }

  async function run(request: DatabaseRequest): Promise<DatabaseAnswer> {
    const { spec, signal } = request;
    const endpoint = { host: spec.host, port: spec.port ?? 5432, purpose: 'database' } as const;
    const vetted = await guard.vet(endpoint);
    if (vetted.kind === 'refused') return failed('refused', EGRESS_REFUSED);
    if (vetted.kind === 'unresolved') return failed('unavailable', 'the host has no address');
    if (spec.tls === 'disable' && !vetted.operatorAllowed) {
      return failed('invalid', 'tls can be disabled only for hosts that the operator allows');
    }
    const target = targetOf(request, vetted.address);
    const client = await connect(target.pool, signal);
    if (client === null) return failed('aborted', 'no connection was free before the time was up');

    client.allow(request.maxBytes + OVERHEAD_BYTES);
    let over = false;
    const work = inTransaction(client, target, request).finally(() => {
      over = true;
    });
    const settled = work.then(noop, noop);
    const stop = new Promise<'stop'>((resolve) => {
      const onAbort = (): void => resolve('stop');
      signal.addEventListener('abort', onAbort, { once: true });
      void settled.then(() => signal.removeEventListener('abort', onAbort));
      if (signal.aborted) onAbort();
    });
    if ((await Promise.race([settled, stop])) === 'stop' && !over) {
      await endBackend(target.config, client, settled);
    }
    try {
      const answer = await work;
      client.release();
      return answer;
    } catch (error) {
      client.release(true);
      return signal.aborted ? failed('aborted', 'the statement ran out of time') : explain(error);
    }
  }

  async function inTransaction(
    client: GuardedClient,
    target: Target,
    request: DatabaseRequest,
  ): Promise<DatabaseAnswer> {
    const reads = request.access === 'read';
    // Settings so that texts come in one form, and so that the server ends what we no longer can.
    await client.query(
      `begin${reads ? ' transaction read only' : ''}; set local timezone to 'UTC'; ` +
        "set local datestyle to 'ISO'; set local idle_in_transaction_session_timeout to '30s'; " +
        "set local statement_timeout to '900s'",
    );
    const marked = !reads && (await hostsMarkers(client, target));
    if (marked) {
      const recorded = await claimMarker(client, request.key);
      if (recorded !== null) {
        await client.query('rollback');
        return { ok: true, result: recorded, replayed: true };
      }
    }
    const result = await runStatement(client, request);
    if (marked) {
      await client.query('update cloudflow_markers set result = $2 where key = $1', [
        request.key,
        JSON.stringify(result),
      ]);
    }
    // Tenant SQL may have ended the transaction by itself only through the server's own error.
    await client.query('commit');
    return { ok: true, result, replayed: false };
  }

  /** Cancel, then terminate, through a session of its own; then cut. Each part is bounded in time. */
  async function endBackend(
    config: GuardedConfig,
    client: GuardedClient,
    settled: Promise<void>,
  ): Promise<void> {
    // The server may be hostile itself, and answer the login but not what follows.
    const helper = new GuardedClient({
      ...config,
      connectionTimeoutMillis: HELPER_MS,
      query_timeout: HELPER_MS,
    });
    try {
      await helper.connect();
      await helper.query('select pg_cancel_backend($1)', [client.backend]);
      if (await within(settled, cancelGraceMs)) return;
      await helper.query('select pg_terminate_backend($1)', [client.backend]);
      if (await within(settled, cancelGraceMs)) return;
    } catch (error) {
      log.warn('TARGET_STATEMENT_NOT_ENDED', { error });
    } finally {
      client.cut();
      await Promise.race([helper.end(), pause(1_000, undefined, { ref: false })]);
      helper.cut();
    }
    await settled;
  }

  return {
    async run(request) {
      if (request.signal.aborted) return failed('aborted', 'the statement was not begun');
      try {
        return await run(request);
      } catch (error) {
        return request.signal.aborted
          ? failed('aborted', 'the statement ran out of time')
          : explain(error);
      }
    },
    async close() {
      targets.clear();
      await Promise.all(closing);
    },
  };
}

function noop(): void {}

/** Whether `work` comes to its end within `ms`. */
async function within(work: Promise<void>, ms: number): Promise<boolean> {
  return await Promise.race([work.then(() => true), pause(ms, false, { ref: false })]);
}

/** A session, or null when the signal came first; a session that comes too late goes back. */
async function connect(
  pool: pg.Pool,
  signal: AbortSignal,
): Promise<(GuardedClient & pg.PoolClient) | null> {
  const wanted = pool.connect() as unknown as Promise<GuardedClient & pg.PoolClient>;
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<null>((resolve) => {
    onAbort = () => resolve(null);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
  const client = await Promise.race([wanted, aborted]);
  if (onAbort !== undefined) signal.removeEventListener('abort', onAbort);
  if (client === null) wanted.then((late) => late.release(), noop);
  return client;
}

async function hostsMarkers(client: GuardedClient, target: Target): Promise<boolean> {
  if (!target.hostsMarkers) {
    const { rows } = await client.query<{ hosted: boolean }>(
      "select to_regclass('cloudflow_markers') is not null as hosted",
    );
    target.hostsMarkers = rows[0]?.hosted === true;
  }
  return target.hostsMarkers;
}

/**
 * Takes the key for this transaction: null when it is ours. Waits for another transaction that holds
 * it; once that has committed its recorded result is the answer.
 */
async function claimMarker(client: GuardedClient, key: string): Promise<DatabaseResult | null> {
  const claimed = await client.query(
    'insert into cloudflow_markers (key) values ($1) on conflict (key) do nothing',
    [key],
  );
  if (claimed.rowCount === 1) return null;
  const { rows } = await client.query<{ result: DatabaseResult | null }>(
    'select result from cloudflow_markers where key = $1',
    [key],
  );
  const recorded = rows[0]?.result ?? null;
  if (recorded === null) throw new TypeError(`marker ${key} has no result`);
  return recorded;
}

function tlsOf(request: DatabaseRequest): GuardedConfig['ssl'] {
  const { tls, ca, host } = request.spec;
  if (tls === 'disable') return false;
  return {
    // An address has no SNI; the certificate is then checked against the address itself.
    ...(/^[0-9.]+$|:/.test(host) ? {} : { servername: host }),
    rejectUnauthorized: tls !== 'require',
    ...(ca === undefined ? {} : { ca }),
  };
}
