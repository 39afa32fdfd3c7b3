/**
 * The whole platform in one process: PostgreSQL, API, both runtimes.
 *
 * Owns: which parts there are, in which order they start and stop, and nothing of what they do.
 *
 *  P1 A part is stopped before what it stands on; every part that started is stopped, also when a
 *     later one failed to start.
 *  P2 What is acknowledged is in PostgreSQL: killing this process loses nothing, and the next start
 *     on the same folder goes on.
 *  P3 Business time is the clock's, real or virtual; leases, polls and sockets are always real time.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { createBulkWork } from '#adapters/postgres/bulk-operations.ts';
import { createCommands } from '#adapters/postgres/commands.ts';
import { createRecovery } from '#adapters/postgres/recovery.ts';
import { createTenantMaker } from '#adapters/postgres/tenant-maker.ts';
import { startBulkWorker } from '#functions/shared/bulk.ts';
import { openCache } from '#functions/shared/cache.ts';
import { createAuditor } from '#services/audit/auditor.ts';
import { oneKey } from '#services/shared/key-ring.ts';
import { type EngineFleet, startEngineFleet } from './engine-fleet.ts';
import { openEngineControl, startEvents } from './events.ts';
import { ensureFirstPeople } from './first-people.ts';
import { type HttpServer, startHttpServer } from './http-server.ts';
import { withLocalRoutes } from './local-routes.ts';
import { createMailDrop } from './mail-drop.ts';
import { type Ground, layGround } from './platform/ground.ts';
import { openSigningKeys, startKeepers } from './platform/keepers.ts';
import type { OnStop, Platform, PlatformOptions } from './platform/options.ts';
import { openReach } from './platform/reach.ts';
import { createRuntimes, type Runtimes } from './platform/runtimes.ts';
import { createLocalApi } from './platform/serve.ts';

export type { Platform, PlatformOptions } from './platform/options.ts';

export async function startPlatform(options: PlatformOptions): Promise<Platform> {
  const started: (() => Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    for (let last = started.pop(); last !== undefined; last = started.pop()) {
      try {
        await last();
      } catch (error) {
        // The others must stop all the same; what could not be given back is taken over (P2).
        options.log.warn('PART_NOT_STOPPED', { error });
      }
    }
  };
  try {
    return await start(options, (undo) => started.push(undo), stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

async function start(
  options: PlatformOptions,
  onStop: OnStop,
  stop: () => Promise<void>,
): Promise<Platform> {
  const { engines = 0, kafkaBrokers = null } = options;
  let server: HttpServer | null = null;
  const publicUrl = (): string => server?.url ?? '';

  const ground = await layGround(options, onStop);
  const { state, pools, codec, clock, ids, log, metrics, tracer } = ground;
  const reach = await openReach(ground, options.egress);
  const opened = openCache(
    { name: 'platform', clock, log, metrics },
    { STAGE: 'local', CACHE_URL: options.redisUrl ?? '', CACHE_AUTH: 'url' },
    oneKey(state.identity.cursorKey),
  );
  onStop(() => opened.close());
  const runtimes = createRuntimes(ground, reach, { cache: opened.cache, publicUrl });
  const keys = await openSigningKeys(ground);
  // With engines elsewhere alone: the one of this process hears what is stored here by itself.
  const control =
    kafkaBrokers === null || engines === 0
      ? null
      : openEngineControl(kafkaBrokers, {
          ...{ pool: pools.app, codec, hints: runtimes.hints, clock, ids, metrics, onStop },
          log: log.with({ part: 'api' }),
        });
  const { handler, identity, auditTrail } = createLocalApi(ground, {
    ...{ reach, runtimes, opened, control, issuer: publicUrl },
    signingKeys: keys.signingKeys,
    requestsPerMinute: options.requestsPerMinute,
  });
  const events = await startEvents({
    pool: pools.events,
    brokers: kafkaBrokers,
    ...{ codec, cache: opened.cache, clock, ids, metrics, tracer, publicUrl },
    log: log.with({ part: 'events' }),
    mailer: createMailDrop(join(state.path, 'mail')),
  });
  onStop(() => events.close());

  await startRuntimes(ground, runtimes, options);
  onStop(
    startBulkWorker({
      ...{ clock, ids, metrics, runtimes: runtimes.kinds, trail: auditTrail },
      executions: runtimes.executions,
      programs: runtimes.programs,
      hints: runtimes.hints,
      catalog: runtimes.catalog,
      work: createBulkWork({ pool: pools.engine, codec }),
      log: log.with({ part: 'bulk operations' }),
    }),
  );
  await runtimes.machines.resume();
  onStop(() => runtimes.machines.close());
  onStop(startKeepers(ground, { keys, secrets: reach.secrets, events, runtimes }));

  const first = await ensureFirstPeople({
    auditor: createAuditor({ trail: auditTrail, clock, ids, log, metrics, randomBytes }),
    maker: createTenantMaker(pools.relay),
    ...{ state, identity, clock, ids },
  });
  const listening = await startHttpServer({
    handler: withLocalRoutes(handler, { clock: ground.virtualClock, metrics }),
    port: options.port,
    log,
    ids,
  });
  server = listening;
  onStop(() => listening.close());

  let fleet: EngineFleet | null = null;
  const writeStack = (): Promise<void> =>
    state.writeStack({
      base_url: listening.url,
      openapi_url: `${listening.url}/openapi.json`,
      admin: { tenant: first.tenant, email: first.email, password: first.password },
      api_key: first.apiKey,
      postgres_url: ground.postgresUrl,
      redis_url: options.redisUrl,
      kafka_brokers: kafkaBrokers?.join(',') ?? null,
      processes: [
        { role: 'platform', pid: process.pid, restart: options.restartCommand },
        ...(fleet?.processes ?? []).map(({ pid, url }) => ({
          ...{ role: 'engine' as const, pid, url },
          restart: null,
        })),
      ],
    });
  if (engines > 0) {
    fleet = await startEngineFleet({
      count: engines,
      settings: {
        ...{ folder: state.path, postgresUrl: ground.postgresUrl, publicUrl: listening.url },
        ...{ egressAllow: [...reach.egress.allow], httpPorts: [...reach.egress.httpPorts] },
        traces: options.traces ?? null,
        kafkaBrokers,
      },
      clock: ground.realClock,
      log,
      onChange: () => {
        // Whoever waits for the file takes what it says for ready.
        if (fleet !== null)
          writeStack().catch((error: unknown) => log.warn('PART_NOT_STOPPED', { error }));
      },
    });
    const started = fleet;
    onStop(() => started.stop());
    if (kafkaBrokers === null) runtimes.hintElsewhere(started.hints);
    else {
      const { partitions } = ground;
      const commands = createCommands({
        ...{ pool: pools.accept, codec, partitions, clock, ids, log },
      });
      onStop(() => commands.settled());
      runtimes.hintElsewhere(commands.hints);
    }
  }
  await writeStack();
  return {
    baseUrl: listening.url,
    apiKey: first.apiKey,
    admin: first,
    postgresUrl: ground.postgresUrl,
    kafkaBrokers,
    state,
    virtualClock: ground.virtualClock,
    databaseLost: ground.databaseLost ?? new Promise(() => undefined),
    allowEgress(pair) {
      reach.egress.allow.add(pair);
      fleet?.allow(pair);
    },
    stop,
  };
}

/** Takes up what the last process left, and begins to take more. */
async function startRuntimes(
  { postgresUrl, pools, virtualClock, onStop }: Ground,
  { engine, tasks }: Runtimes,
  { databaseUrl, engines = 0 }: PlatformOptions,
): Promise<void> {
  const recovery = createRecovery(pools.engine);
  // On our own server nobody else can be alive: what a killed process had is free at once.
  if (databaseUrl === null) await recovery.endLeases(postgresUrl);
  if (engines === 0) await engine.start();
  onStop(async () => void (await Promise.all([engine.stop(), tasks.close()])));
  if (virtualClock === null) return;
  // A virtual clock goes from timer to timer, so it must know of what no process holds.
  for (const { tenant, executionId, wakeAt } of await recovery.parked()) {
    virtualClock.schedule(wakeAt, () =>
      engine.hints.accepted({ tenant, executionId, runtime: 'engine' }),
    );
  }
}
