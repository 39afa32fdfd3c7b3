import { readEnv } from '#config/env.ts';
import { CONTAINERS } from '#config/functions.ts';
import { createEngine, engineCounts } from '#engine/engine.ts';
import { createStepPerformer } from '#engine/step-performer.ts';
import { startBulkWorker } from '#functions/shared/bulk.ts';
import { closeHealth, createEngineHealth } from '#functions/shared/engine-health.ts';
import { every } from '#functions/shared/every.ts';
import { createBasics } from '#functions/shared/process.ts';
import { openKafka } from '#functions/shared/relay.ts';
import { connectSteps } from '#functions/shared/steps.ts';
import type { LogSubscription } from '#ports/event-log.ts';
import { listenForCommands } from '#services/events/commands.ts';
import { createObedience } from '#services/events/obey-commands.ts';

// The container of the hot path: one engine, and a port that says whether it lives.
//
// On SIGTERM it takes nothing new, lets calls under way end, gives the rest up to the others, and
// exits; a second signal changes nothing. Killed without one, it loses nothing either.

const env = readEnv('engine', process.env);
const basics = createBasics('engine', env);
const { clock, ids, log, metrics } = basics;
const EVALUATORS = 4;
/** Real milliseconds between two tellings of what was measured. */
const TELL_MS = 10_000;

const steps = connectSteps(basics, env, {
  evaluators: EVALUATORS,
  connections: { app: 16, engine: 8 },
});
const { runner, ownership, evaluator } = steps;
const engine = createEngine(
  {
    store: ownership,
    programs: runner.programs,
    performer: createStepPerformer(runner),
    evaluator,
    children: runner.children,
    tokens: runner.callbackTokens,
    clock,
    ids,
    log,
    metrics,
  },
  { drainMs: CONTAINERS.engine.drainSeconds * 1_000 },
);

/** Topics get what the outbox holds from whichever engine has their lease; commands wake whichever engine reads them. */
let kafka: ReturnType<typeof openKafka> | null = null;
let commands: LogSubscription | null = null;

const health = createEngineHealth(engine);

steps.watch();
const telling = every(clock, TELL_MS, async () => metrics.flush());

process.once('uncaughtException', (error) => {
  // Node would tell it with its message, which may hold what nobody may read.
  log.error('PROCESS_FAILED', { error });
  process.exit(1);
});

let ending = false;
async function end(signal: string): Promise<void> {
  log.info('ENGINE_DRAINING', { signal, ...engineCounts(engine.stats) });
  await commands?.close();
  await bulkWorker();
  await engine.stop();
  await kafka?.close();
  await steps.close();
  await telling();
  metrics.flush();
  await closeHealth(health);
  log.info('ENGINE_ENDED');
}
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.on(signal, () => {
    if (ending) return;
    ending = true;
    end(signal).catch((error: unknown) => {
      log.error('ENGINE_ENDED_BADLY', { error });
      process.exitCode = 1;
    });
  });
}

await engine.start();
const bulkWorker = startBulkWorker({ ...steps.bulk, clock, ids, log, metrics });
if (env.KAFKA_CLUSTER_ARN !== '') {
  kafka = openKafka(basics, env);
  const replies = kafka.kafka;
  const { signals } = steps;
  const obedience = createObedience({ signals, hints: engine.hints, replies, clock, log });
  commands = listenForCommands(kafka.kafka, engine, obedience);
}
await new Promise<void>((resolve, reject) => {
  health.once('error', reject);
  health.listen(Number(env.HEALTH_PORT), resolve);
});
log.info('ENGINE_STARTED', { owner: engine.stats.owner });
