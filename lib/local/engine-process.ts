/**
 * One engine of the local stack in a process of its own, as `engine-fleet.ts` starts it: the container of
 * the hot path without AWS. Its parts are those of the platform's process, on the same folder and database.
 *
 * It ends in order when it is told to (SIGTERM), and when the platform that started it is gone.
 */
import { join } from 'node:path';
import { createOutboundGate, DEFAULT_GATE_LIMITS } from '#adapters/breaker/outbound-gate.ts';
import { createDnsResolver } from '#adapters/http/dns-resolver.ts';
import { createEgressGuard } from '#adapters/http/egress-guard.ts';
import { createUndiciHttp } from '#adapters/http/undici-http.ts';
import { createKafkaEventLog } from '#adapters/kafka/event-log.ts';
import { createCallbackTokens } from '#adapters/local/callback-tokens.ts';
import { openFileSecrets } from '#adapters/local/file-secrets.ts';
import { createIds } from '#adapters/local/ids.ts';
import { createJsonLog } from '#adapters/local/json-log.ts';
import { createRealDeadlines } from '#adapters/local/real-deadlines.ts';
import { createSystemClock } from '#adapters/local/system-clock.ts';
import { createLocalMetrics } from '#adapters/metrics/local-metrics.ts';
import { createExecutionAccess } from '#adapters/postgres/access.ts';
import { createCommandedSignals } from '#adapters/postgres/commanded-signals.ts';
import { createPostgresConnections } from '#adapters/postgres/connection-store.ts';
import { createOutboxPublisher } from '#adapters/postgres/outbox-publisher.ts';
import { createExecutionOwnership } from '#adapters/postgres/ownership.ts';
import { createPartitions } from '#adapters/postgres/partitions.ts';
import { createPlainCodec } from '#adapters/postgres/payload-codec.ts';
import { createPool } from '#adapters/postgres/pool.ts';
import { createPostgresPrograms } from '#adapters/postgres/programs.ts';
import type { Role } from '#adapters/postgres/roles.ts';
import { createPostgresWorkflowStore } from '#adapters/postgres/workflow-store.ts';
import { createPostgresDatabases } from '#adapters/postgres-target/databases.ts';
import { createEngine } from '#engine/engine.ts';
import { createStepPerformer } from '#engine/step-performer.ts';
import { createEvaluatorPool } from '#evaluator/pool.ts';
import { createOwnCache } from '#functions/shared/cache.ts';
import { closeHealth, createEngineHealth } from '#functions/shared/engine-health.ts';
import type { LogSubscription } from '#ports/event-log.ts';
import { listenForCommands } from '#services/events/commands.ts';
import { createObedience } from '#services/events/obey-commands.ts';
import { createChildren } from '#services/executions/children.ts';
import { createCatalog } from '#services/workflows/catalog.ts';
import {
  ENGINE_SETTINGS,
  type EngineSettings,
  type FromEngine,
  type ToEngine,
} from './engine-fleet.ts';
import { kafkaAccess } from './events.ts';
import { openTracer } from './traces.ts';

const settings = JSON.parse(process.env[ENGINE_SETTINGS] ?? '') as EngineSettings;
const clock = createSystemClock();
const log = createJsonLog({
  write: (line) => process.stderr.write(line),
  level: 'warn',
  time: () => new Date().toISOString(),
}).with({ part: 'engine' });
const ids = createIds();
const metrics = createLocalMetrics();
const codec = createPlainCodec();
const closing: (() => Promise<unknown>)[] = [];

const pool = (role: Role, max: number) => {
  const made = createPool({
    ...{ url: settings.postgresUrl, role, max, log, metrics },
    name: 'cloudflow engine process',
  });
  closing.push(() => made.end());
  return made;
};
const app = pool('cloudflow_app', 8);
const owning = pool('cloudflow_engine', 6);
const partitions = createPartitions(owning);
const evaluator = createEvaluatorPool({ processes: 1, clock, metrics });
const allow = new Set(settings.egressAllow);
const guard = createEgressGuard({
  policy: { allow, httpPorts: new Set(settings.httpPorts) },
  resolver: createDnsResolver(),
});
const http = createUndiciHttp({ guard });
const databases = createPostgresDatabases({ guard, log });
const tracer = openTracer(settings.traces ?? undefined, clock, (undo) => void closing.push(undo));
const cache = createOwnCache({ clock, metrics });
const programs = createPostgresPrograms(app, cache);
const tokens = createCallbackTokens();
const executions = createExecutionAccess({
  ...{ pool: app, readers: app, codec, ids, partitions },
  adopter: null,
});
const children = createChildren({
  executions,
  catalog: createCatalog(createPostgresWorkflowStore({ pool: app, codec, ids }), cache),
  // What is started on either runtime is found by looking; here as well.
  hints: {
    accepted: (hint) => engine.hints.accepted(hint),
    signalled: (hint) => engine.hints.signalled(hint),
  },
  runtimes: new Set(['engine', 'step_functions']),
  clock,
});
const engine = createEngine({
  ...{ programs, evaluator, children, tokens, clock, ids, log, metrics },
  store: createExecutionOwnership({ pool: owning, codec, partitions, log, metrics }),
  performer: createStepPerformer({
    ...{ evaluator, http, databases, children, tracer, publicUrl: settings.publicUrl },
    deadlines: createRealDeadlines(),
    gate: createOutboundGate(clock, DEFAULT_GATE_LIMITS, metrics),
    connections: createPostgresConnections(app),
    secrets: await openFileSecrets(join(settings.folder, 'secrets')),
    outbox: createOutboxPublisher({ pool: app, codec, partitions, clock }),
  }),
});

const kafka =
  settings.kafkaBrokers === null
    ? null
    : createKafkaEventLog(kafkaAccess(settings.kafkaBrokers), { clock, log, metrics });

const health = createEngineHealth(engine);
const tell = (message: FromEngine): void => void process.send?.(message);

/** Real milliseconds that are left to an engine whose platform is gone. */
const ORPHAN_MS = 12_000;

let commands: LogSubscription | null = null;
let ending = false;
async function end(): Promise<void> {
  if (ending) return;
  ending = true;
  try {
    await commands?.close();
    await kafka?.close();
    await engine.stop();
    await Promise.all([evaluator.close(), http.close(), databases.close()]);
    for (const close of closing.reverse()) await close();
    await closeHealth(health);
  } catch (error) {
    log.error('ENGINE_ENDED_BADLY', { error });
    process.exitCode = 1;
  }
  // What a failure left open would keep the process alive; what it has is taken over.
  process.exit();
}
process.once('uncaughtException', (error) => {
  log.error('PROCESS_FAILED', { error });
  process.exit(1);
});
process.on('SIGTERM', () => void end());
// Ctrl-C reaches every process of the terminal; the platform ends us when it is our turn.
process.on('SIGINT', () => undefined);
process.on('disconnect', () => {
  // The database may have gone with the platform, and what waits for an answer of it waits for long.
  clock.after(ORPHAN_MS, () => process.exit(1));
  void end();
});
process.on('message', (message: ToEngine) => {
  if (message.kind === 'accepted') engine.hints.accepted(message.hint);
  else if (message.kind === 'signalled') engine.hints.signalled(message.hint);
  else allow.add(message.pair);
});

await engine.start();
if (kafka !== null) {
  const signals = createCommandedSignals({ pool: app, codec });
  const { hints } = engine;
  const obedience = createObedience({ signals, hints, replies: kafka, clock, log, tracer });
  commands = listenForCommands(kafka, engine, obedience);
}
await new Promise<void>((resolve, reject) => {
  health.once('error', reject);
  health.listen(0, '127.0.0.1', resolve);
});
const address = health.address();
if (address === null || typeof address === 'string') throw new TypeError('no port was given');
tell({ kind: 'ready', port: address.port });
