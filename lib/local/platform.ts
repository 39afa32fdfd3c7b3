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
import pg from 'pg';
import { createArgon2Hasher } from '#adapters/argon2/password-hasher.ts';
import { createOutboundGate, DEFAULT_GATE_LIMITS } from '#adapters/breaker/outbound-gate.ts';
import { createDnsResolver } from '#adapters/http/dns-resolver.ts';
import { createEgressGuard } from '#adapters/http/egress-guard.ts';
import { createNodeHttp } from '#adapters/http/node-http.ts';
import { createUndiciHttp } from '#adapters/http/undici-http.ts';
import { createCallbackTokens } from '#adapters/local/callback-tokens.ts';
import { createFileObjects } from '#adapters/local/file-objects.ts';
import { openFileSealer } from '#adapters/local/file-sealer.ts';
import { openFileSecrets } from '#adapters/local/file-secrets.ts';
import { createIds } from '#adapters/local/ids.ts';
import { createRealDeadlines } from '#adapters/local/real-deadlines.ts';
import { createSystemClock } from '#adapters/local/system-clock.ts';
import { createLocalMetrics } from '#adapters/metrics/local-metrics.ts';
import { createExecutionAccess } from '#adapters/postgres/access.ts';
import { createAslHistoryStore } from '#adapters/postgres/asl-history-store.ts';
import { createAuditSealer } from '#adapters/postgres/audit-sealer.ts';
import { createPostgresAuditTrail } from '#adapters/postgres/audit-trail.ts';
import { watchBacklog } from '#adapters/postgres/backlog.ts';
import {
  createBulkWork,
  createPostgresBulkOperations,
} from '#adapters/postgres/bulk-operations.ts';
import { collectSecrets } from '#adapters/postgres/collect-secrets.ts';
import { createCommands } from '#adapters/postgres/commands.ts';
import { createPostgresConnections } from '#adapters/postgres/connection-store.ts';
import { createDeadLetters } from '#adapters/postgres/dead-letters.ts';
import { createPostgresIdempotencyStore } from '#adapters/postgres/idempotency-store.ts';
import { createPostgresKeyValue } from '#adapters/postgres/key-value.ts';
import { migrate } from '#adapters/postgres/migrate.ts';
import { tellOldSecrets } from '#adapters/postgres/old-secrets.ts';
import { createOutboxPublisher } from '#adapters/postgres/outbox-publisher.ts';
import { createExecutionOwnership } from '#adapters/postgres/ownership.ts';
import { createPartitionJob, createPartitions } from '#adapters/postgres/partitions.ts';
import { createPlainCodec } from '#adapters/postgres/payload-codec.ts';
import { createPool, watchPool } from '#adapters/postgres/pool.ts';
import { createPostgresPrograms } from '#adapters/postgres/programs.ts';
import { createExecutionRecorder } from '#adapters/postgres/recorder.ts';
import { createRecovery } from '#adapters/postgres/recovery.ts';
import type { Role } from '#adapters/postgres/roles.ts';
import { rotateSigningKeys } from '#adapters/postgres/rotate-signing-keys.ts';
import { createSigningKeys } from '#adapters/postgres/signing-keys.ts';
import { createStepFunctionsWork } from '#adapters/postgres/step-functions-work.ts';
import { createTaskTokens } from '#adapters/postgres/task-tokens.ts';
import { createTenantMaker } from '#adapters/postgres/tenant-maker.ts';
import { letGo } from '#adapters/postgres/upkeep.ts';
import { createPostgresWorkflowStore } from '#adapters/postgres/workflow-store.ts';
import { createPostgresDatabases } from '#adapters/postgres-target/databases.ts';
import { createSamlAnswers } from '#adapters/saml/saml-answers.ts';
import type { EgressPolicy } from '#config/egress.ts';
import { METRICS } from '#config/metrics.ts';
import { createEngine } from '#engine/engine.ts';
import { createStepPerformer } from '#engine/step-performer.ts';
import { createEvaluatorPool } from '#evaluator/pool.ts';
import { createApi } from '#functions/api/create-api.ts';
import { createIdentity } from '#functions/identity/create-identity.ts';
import { createVerifier } from '#functions/identity/create-verifier.ts';
import { startBulkWorker } from '#functions/shared/bulk.ts';
import { openCache } from '#functions/shared/cache.ts';
import { createSso } from '#functions/sso/create-sso.ts';
import type { Clock } from '#ports/clock.ts';
import type { Log } from '#ports/log.ts';
import type { RuntimeHints } from '#ports/runtime-hints.ts';
import { createAuditor } from '#services/audit/auditor.ts';
import { sealAudit, signAuditHeads } from '#services/audit/seal.ts';
import { createChildren } from '#services/executions/children.ts';
import { oneKey } from '#services/shared/key-ring.ts';
import { createCatalog } from '#services/workflows/catalog.ts';
import type { StepDeps } from '#steps/deps.ts';
import { createStepFunctionsDriver } from '#steps/runner/driver.ts';
import { createKnownExecutions } from '#steps/runner/known.ts';
import type { RunnerDeps } from '#steps/runner/task.ts';
import { createStateMachineRuntime } from './asl/runtime.ts';
import { startCounterparts } from './counterparts.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from './embedded-postgres.ts';
import { type EngineFleet, startEngineFleet } from './engine-fleet.ts';
import { openEngineControl, startEvents } from './events.ts';
import { ensureFirstPeople, type FirstPeople } from './first-people.ts';
import { type HttpServer, startHttpServer } from './http-server.ts';
import { withLocalRoutes } from './local-routes.ts';
import { createMailDrop } from './mail-drop.ts';
import { openStateFolder, type StateFolder } from './state-folder.ts';
import { createLocalDefinitions, createLocalStateMachines } from './state-machines.ts';
import { createStepRunnerTasks } from './step-runner-tasks.ts';
import { createThreadedChecks } from './threaded-checks.ts';
import { openTracer } from './traces.ts';
import { createVirtualClock, type VirtualClock } from './virtual-clock.ts';

export interface PlatformOptions {
  /** Where state lives. */
  readonly folder: string;
  readonly fresh: boolean;
  /** 0: any free one. */
  readonly port: number;
  readonly clock: 'real' | 'virtual';
  /** Null: an embedded server under `folder`. Else a superuser's or schema owner's URL. */
  readonly databaseUrl: string | null;
  readonly egress: EgressPolicy;
  /** `host:port` of brokers that events go to; absent: they stay in PostgreSQL, and are read there. */
  readonly kafkaBrokers?: readonly string[] | undefined;
  readonly log: Log;
  /** Of every caller, where its key says nothing else. */
  readonly requestsPerMinute: number;
  /** Of a Redis or Valkey server without TLS; null: requests are counted in this process. */
  readonly redisUrl: string | null;
  /** `host:port` of a daemon of X-Ray that is told of traces; absent: none is. */
  readonly traces?: string | undefined;
  /** Engines in processes of their own. Absent or 0: one, in this process. */
  readonly engines?: number;
  /** How this process is started again, for `stack.json`. */
  readonly restartCommand: string;
}

export interface Platform {
  readonly baseUrl: string;
  readonly apiKey: string;
  readonly admin: FirstPeople;
  readonly postgresUrl: string;
  readonly kafkaBrokers: readonly string[] | null;
  readonly state: StateFolder;
  /** Null unless the platform was started with a virtual one. */
  readonly virtualClock: VirtualClock | null;
  /** Resolves when the embedded PostgreSQL is gone: nothing can go on, and nothing is lost. */
  readonly databaseLost: Promise<void>;
  /** Adds an exact host and port that steps may connect to, until this process ends. */
  allowEgress(pair: string): void;
  /** Ends everything in order; what runs goes on at the next start. Twice is harmless. */
  stop(): Promise<void>;
}

/** Real milliseconds between looks of the Step Functions driver; hints make it sooner. */
const DRIVER_LOOK_MS = 250;
const RECONCILE_MS = 2_000;
const MEASURE_MS = 5_000;
const LET_GO_MS = 3_600_000;
const SEAL_MS = 1_000;
const SIGN_MS = 60_000;
const DATABASE = 'cloudflow';
const READS_EVENTS = 'reads its topic of the event log, in this process';

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
  onStop: (undo: () => Promise<void>) => void,
  stop: () => Promise<void>,
): Promise<Platform> {
  const { log, engines = 0, kafkaBrokers = null } = options;
  const state = await openStateFolder(options.folder, { fresh: options.fresh });
  onStop(() => state.close());
  const { cursorKey } = state.identity;
  const database = options.databaseUrl === null ? await startDatabase(state, onStop) : null;
  const postgresUrl = options.databaseUrl ?? (database as Database).url;
  await migrate(postgresUrl);

  const realClock = createSystemClock();
  const virtualClock =
    options.clock === 'virtual' ? await openVirtualClock(state, realClock) : null;
  const clock: Clock = virtualClock ?? realClock;
  const ids = createIds();
  const metrics = createLocalMetrics();
  const tracer = openTracer(options.traces, realClock, onStop);
  const codec = createPlainCodec();

  const pool = (role: Role, name: string, max: number) => {
    const made = createPool({
      url: postgresUrl,
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
  const acceptPool = pool('cloudflow_app', 'accept', 4);
  const appPool = pool('cloudflow_app', 'api', 16);
  const enginePool = pool('cloudflow_engine', 'engine', 6);
  const driverPool = pool('cloudflow_engine', 'step functions', 4);
  const relayPool = pool('cloudflow_relay', 'relay', 2);
  const loginPool = pool('cloudflow_login', 'login', 4);

  const partitions = createPartitions(enginePool);
  const partitionJob = createPartitionJob({ pool: enginePool, clock, log });
  onStop(async () => partitionJob.stop());
  await partitionJob.run();

  const evaluator = createEvaluatorPool({ processes: 2, clock, metrics });
  onStop(() => evaluator.close());

  const egress = { allow: new Set(options.egress.allow), httpPorts: options.egress.httpPorts };
  const guard = createEgressGuard({
    policy: egress,
    resolver: createDnsResolver(),
  });
  const http = createUndiciHttp({ guard });
  onStop(() => http.close());
  // As the function that signs people in elsewhere has it.
  const rareHttp = createNodeHttp({ guard });
  onStop(() => rareHttp.close());
  const databases = createPostgresDatabases({ guard, log });
  onStop(() => databases.close());

  const connections = createPostgresConnections(appPool);
  const secrets = await openFileSecrets(join(state.path, 'secrets'));
  const workflows = createPostgresWorkflowStore({ pool: appPool, codec, ids });
  const opened = openCache(
    { name: 'platform', clock, log, metrics },
    { STAGE: 'local', CACHE_URL: options.redisUrl ?? '', CACHE_AUTH: 'url' },
    oneKey(cursorKey),
  );
  onStop(() => opened.close());
  const { cache } = opened;
  const catalog = createCatalog(workflows, cache);
  const programs = createPostgresPrograms(appPool, cache);
  const tokens = createCallbackTokens();
  const recorder = createExecutionRecorder({ pool: appPool, codec, partitions });
  const ownership = createExecutionOwnership({
    pool: enginePool,
    codec,
    partitions,
    log,
    metrics,
  });

  // Hints reach runtimes that are made below, out of parts that hint: so they go through this table.
  const hintsTo: { engine: RuntimeHints | null; driver: (() => Promise<void>) | null } = {
    engine: null,
    driver: null,
  };
  const hints: RuntimeHints = {
    accepted: (hint) => {
      if (hint.runtime === 'engine') hintsTo.engine?.accepted(hint);
      else void hintsTo.driver?.();
    },
    signalled: (hint) => {
      if (hint.runtime === 'engine') hintsTo.engine?.signalled(hint);
      else void hintsTo.driver?.();
    },
  };

  let server: HttpServer | null = null;
  let fleet: EngineFleet | null = null;
  const runtimes = new Set(['engine', 'step_functions'] as const);
  const engineHolder: { current: ReturnType<typeof createEngine> | null } = { current: null };
  const executions = createExecutionAccess({
    pool: acceptPool,
    readers: appPool,
    codec,
    ids,
    partitions: createPartitions(acceptPool),
    adopter: {
      reserve: (request) => engineHolder.current?.adopter.reserve(request) ?? null,
      adopt: (loaded) => engineHolder.current?.adopter.adopt(loaded),
      release: (request, unknown) => engineHolder.current?.adopter.release(request, unknown),
      signalled: (of, executionId) => {
        engineHolder.current?.adopter.signalled(of, executionId);
        void hintsTo.driver?.();
      },
    },
  });
  const children = createChildren({
    executions,
    catalog,
    hints,
    runtimes,
    clock,
  });
  const gate = createOutboundGate(clock, DEFAULT_GATE_LIMITS, metrics);
  const Program = 'platform';
  metrics.watch(METRICS.CircuitsOpen, { Program }, () => gate.open);
  metrics.watch(METRICS.EvaluatorWaiting, { Program }, () => evaluator.stats().queued);
  const stepDeps: StepDeps = {
    evaluator,
    deadlines: createRealDeadlines(),
    gate,
    connections,
    secrets,
    http,
    databases,
    outbox: createOutboxPublisher({ pool: appPool, codec, partitions, clock }),
    children,
    tracer,
    get publicUrl() {
      return server?.url ?? '';
    },
  };

  const engine = createEngine({
    store: ownership,
    programs,
    performer: createStepPerformer(stepDeps),
    evaluator,
    children,
    tokens,
    clock,
    ids,
    log: log.with({ part: 'engine' }),
    metrics,
  });
  engineHolder.current = engine;
  hintsTo.engine = engine.hints;

  const runnerDeps: RunnerDeps = Object.create(stepDeps, {
    clock: { value: clock },
    ids: { value: ids },
    executions: { value: executions },
    recorder: { value: recorder },
    known: { value: createKnownExecutions() },
    operating: { value: ownership },
    programs: { value: programs },
    tokens: { value: createTaskTokens(driverPool) },
    callbackTokens: { value: tokens },
    log: { value: log.with({ part: 'step runner' }) },
    metrics: { value: metrics },
  }) as RunnerDeps;
  const tasks = createStepRunnerTasks(runnerDeps, runnerDeps.log, {
    timeStandsStill: virtualClock !== null,
  });
  const machines = createStateMachineRuntime({
    clock,
    ids,
    evaluator,
    store: createAslHistoryStore({ pool: driverPool, codec }),
    tasks,
    definitions: createLocalDefinitions({ executions, programs }),
    onFault: (error, executionArn) =>
      log.error('MACHINE_STUMBLED', { execution_id: executionArn.split(':').at(-1), error }),
  });
  const driver = createStepFunctionsDriver({
    runner: runnerDeps,
    machines: createLocalStateMachines(machines),
    work: createStepFunctionsWork({ pool: driverPool, codec }),
    log: log.with({ part: 'step functions' }),
  });
  hintsTo.driver = () => driver.look();

  if (virtualClock !== null) {
    virtualClock.addSettler(async () => {
      // Calls of tasks take real time, and what they answer sets the machines going again.
      for (let moved = true; moved; ) {
        await driver.look();
        await machines.idle();
        moved = tasks.running > 0;
        await tasks.idle();
        await engine.settled();
      }
    });
  }

  const definitionChecks = createThreadedChecks();
  onStop(() => definitionChecks.close());
  const sealer = await openFileSealer(join(state.path, 'sealing'));
  const rotateKeys = async (): Promise<void> => {
    try {
      await rotateSigningKeys({ pool: relayPool, sealer, ids }, clock.now());
    } catch (error) {
      // The key that signs goes on signing until the next time.
      log.warn('SIGNING_KEYS_NOT_ROTATED', { error });
    }
  };
  await rotateSigningKeys({ pool: relayPool, sealer, ids }, clock.now());
  const signingKeys = createSigningKeys({ pool: appPool, clock, sealer });
  const sealing = {
    sealer: createAuditSealer({ pool: relayPool, partitions: createPartitions(relayPool) }),
    signingKeys,
    archive: createFileObjects(join(state.path, 'audit')),
    clock,
  };
  const audit = async (act: () => Promise<number>): Promise<void> => {
    try {
      await act();
    } catch (error) {
      // What was told waits, in order, for the next turn.
      log.warn('AUDIT_NOT_SEALED', { error });
    }
  };
  const issuer = () => server?.url ?? '';
  const identity = createIdentity({
    app: appPool,
    login: loginPool,
    signingKeys,
    hasher: createArgon2Hasher(),
    keys: oneKey(state.identity.identityKey),
    outbox: stepDeps.outbox,
    records: createPostgresKeyValue({ pool: appPool, clock, codec }),
    cache,
    issuer,
    clock,
    randomBytes,
  });
  const auditTrail = createPostgresAuditTrail(appPool);
  // With engines elsewhere alone: the one of this process hears what is stored here by itself.
  const control =
    kafkaBrokers === null || engines === 0
      ? null
      : openEngineControl(kafkaBrokers, {
          ...{ pool: appPool, codec, hints, clock, ids, metrics, onStop },
          log: log.with({ part: 'api' }),
        });
  const handler = createApi({
    ...createVerifier({ app: appPool, login: loginPool, signingKeys, clock, ids, issuer }),
    identity,
    sso: createSso({
      app: appPool,
      login: loginPool,
      http: rareHttp,
      egress,
      clock,
      metrics,
      randomBytes,
    }),
    saml: createSamlAnswers({ clock, records: identity.records }),
    workflows,
    cache,
    definitionChecks,
    connections,
    secrets,
    executions,
    programs,
    bulk: createPostgresBulkOperations({ pool: appPool, codec }),
    auditTrail,
    deadLetters: createDeadLetters({ pool: appPool, partitions: createPartitions(appPool) }),
    randomBytes,
    idempotency: createPostgresIdempotencyStore({ pool: appPool, codec }),
    tokens,
    hints,
    control,
    clock,
    ids,
    log: log.with({ part: 'api' }),
    metrics,
    tracer,
    rateLimiter: opened.rateLimiter,
    // One tenant has the machine to itself.
    rates: {
      caller: options.requestsPerMinute,
      tenant: options.requestsPerMinute,
      source: options.requestsPerMinute,
    },
    cursorKeys: oneKey(cursorKey),
    runtimes,
    preferredRuntime: 'step_functions',
    checks: {
      postgres: async () => void (await appPool.query('select 1')),
      evaluator: async () => {
        // nobody's tenant, so that no tenant's expressions decide about it
        const own = { tenant: 'readiness', expressions: ['1'], bindings: {} } as const;
        const [answer] = await evaluator.evaluate({ ...own, dialect: 'portable' });
        if (answer?.ok !== true) throw new Error('the evaluator gave no answer');
      },
    },
  });

  const lookAtBacklog = watchBacklog(metrics, driverPool);
  const events = await startEvents({
    pool: pool('cloudflow_relay', 'events', 6),
    brokers: kafkaBrokers,
    codec,
    cache,
    clock,
    ids,
    log: log.with({ part: 'events' }),
    metrics,
    mailer: createMailDrop(join(state.path, 'mail')),
    publicUrl: issuer,
  });
  onStop(() => events.close());

  const recovery = createRecovery(enginePool);
  // On our own server nobody else can be alive: what a killed process had is free at once.
  if (options.databaseUrl === null) await recovery.endLeases(postgresUrl);
  if (engines === 0) await engine.start();
  onStop(async () => void (await Promise.all([engine.stop(), tasks.close()])));
  if (virtualClock !== null) {
    // A virtual clock goes from timer to timer, so it must know of what no process holds.
    for (const { tenant, executionId, wakeAt } of await recovery.parked()) {
      virtualClock.schedule(wakeAt, () =>
        engine.hints.accepted({ tenant, executionId, runtime: 'engine' }),
      );
    }
  }
  onStop(
    startBulkWorker({
      ...{ executions, programs, hints, runtimes, clock, ids, metrics },
      catalog,
      work: createBulkWork({ pool: enginePool, codec }),
      trail: auditTrail,
      log: log.with({ part: 'bulk operations' }),
    }),
  );
  await machines.resume();
  onStop(() => machines.close());
  onStop(
    startCounterparts(clock, {
      'step-functions-driver': [{ everyMs: DRIVER_LOOK_MS, act: () => driver.look() }],
      'state-changed': [{ everyMs: RECONCILE_MS, act: () => driver.reconcile() }],
      partitions: [
        {
          everyMs: LET_GO_MS,
          async act() {
            try {
              await letGo(
                {
                  ...{ relay: relayPool, codec, ids, metrics, readers: events.reads },
                  log: log.with({ part: 'events' }),
                },
                clock.now(),
              );
            } catch (error) {
              // It is still there the next time.
              log.warn('UPKEEP_FAILED', { error });
            }
          },
        },
      ],
      measure: [
        {
          everyMs: MEASURE_MS,
          async act() {
            // Looks again at the next turn; pools tell of a database that is away.
            await lookAtBacklog(clock.now()).catch(() => undefined);
            await events.look(clock.now()).catch(() => undefined);
          },
        },
      ],
      'audit-sealer': [
        { everyMs: SEAL_MS, act: () => audit(() => sealAudit(sealing)) },
        { everyMs: SIGN_MS, act: () => audit(() => signAuditHeads(sealing)) },
      ],
      'signing-keys': [{ everyMs: LET_GO_MS, act: rotateKeys }],
      'collect-secrets': [
        {
          everyMs: LET_GO_MS,
          async act() {
            try {
              const now = clock.now();
              await tellOldSecrets({ pool: relayPool, ids, codec, partitions }, now);
              await collectSecrets({ pool: relayPool, secrets, ids }, now);
            } catch (error) {
              // They are still there the next time.
              log.warn('UPKEEP_FAILED', { error });
            }
          },
        },
      ],
      'warm-caches': 'one process holds what it has read itself',
      'platform-keys': 'its keys are its own, in a folder that nobody else reads',
      analytics: READS_EVENTS,
      billing: READS_EVENTS,
      'audit-events': READS_EVENTS,
      'cache-invalidation': READS_EVENTS,
      mail: READS_EVENTS,
      'dead-letters': READS_EVENTS,
      'collect-machines': 'machines are compiled when they are needed and kept nowhere',
      authorizer: 'the API looks at every credential itself, here and deployed',
      migrate: 'done before anything else',
      realtime: 'no WebSockets are served here yet',
      integrity: 'asked for by `cloudflow integrity`',
      'make-tenant': 'the first start makes the one tenant that there is',
      'standby-integrity': 'there is no other region here',
      probe: 'there is no other region here',
    }),
  );

  const first = await ensureFirstPeople({
    auditor: createAuditor({ trail: auditTrail, clock, ids, log, metrics, randomBytes }),
    maker: createTenantMaker(relayPool),
    state,
    identity,
    clock,
    ids,
  });
  server = await startHttpServer({
    handler: withLocalRoutes(handler, { clock: virtualClock, metrics }),
    port: options.port,
    log,
    ids,
  });
  const listening = server;
  onStop(() => listening.close());

  const writeStack = (): Promise<void> =>
    state.writeStack({
      base_url: listening.url,
      openapi_url: `${listening.url}/openapi.json`,
      admin: { tenant: first.tenant, email: first.email, password: first.password },
      api_key: first.apiKey,
      postgres_url: postgresUrl,
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
        ...{ folder: state.path, postgresUrl, publicUrl: listening.url },
        ...{ egressAllow: [...egress.allow], httpPorts: [...egress.httpPorts] },
        traces: options.traces ?? null,
        kafkaBrokers,
      },
      clock: realClock,
      log,
      onChange: () => {
        // Whoever waits for the file takes what it says for ready.
        if (fleet !== null)
          writeStack().catch((error: unknown) => log.warn('PART_NOT_STOPPED', { error }));
      },
    });
    const started = fleet;
    onStop(() => started.stop());
    if (kafkaBrokers === null) hintsTo.engine = started.hints;
    else {
      const commands = createCommands({ pool: acceptPool, codec, partitions, clock, ids, log });
      onStop(() => commands.settled());
      hintsTo.engine = commands.hints;
    }
  }
  await writeStack();
  return {
    baseUrl: listening.url,
    apiKey: first.apiKey,
    admin: first,
    postgresUrl,
    kafkaBrokers,
    state,
    virtualClock,
    databaseLost: database?.lost ?? new Promise(() => undefined),
    allowEgress(pair) {
      egress.allow.add(pair);
      fleet?.allow(pair);
    },
    stop,
  };
}

interface Database {
  readonly url: string;
  /** Resolves when the server ends without having been asked to. */
  readonly lost: Promise<void>;
}

async function startDatabase(
  state: StateFolder,
  onStop: (undo: () => Promise<void>) => void,
): Promise<Database> {
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
