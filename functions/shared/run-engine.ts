import { CONTAINERS, type ContainerName } from '#config/functions.ts';
import { createEngine, engineCounts } from '#engine/engine.ts';
import { createStepPerformer } from '#engine/step-performer.ts';
import { startBulkWorker } from './bulk.ts';
import { closeHealth, createEngineHealth } from './engine-health.ts';
import { every } from './every.ts';
import { type Basics, createBasics } from './process.ts';
import { connectSteps } from './steps.ts';

const EVALUATORS = 4;
/** Real milliseconds between two tellings of what was measured. */
const TELL_MS = 10_000;

/** What a container does about events beside its engine: begun when that runs, ended when that has ended. */
export interface Beside {
  /** Commands that wake the engine: ended before anything else. */
  readonly commands?: { close(): Promise<void> };
  close(): Promise<void>;
}

/**
 * The container of the hot path: one engine, and a port that says whether it lives.
 *
 * On SIGTERM it takes nothing new, lets calls under way end, gives the rest up to the others, and
 * exits; a second signal changes nothing. Killed without one, it loses nothing either.
 */
export async function runEngine(
  name: ContainerName,
  env: Parameters<typeof connectSteps>[1] & { readonly HEALTH_PORT: string },
  open: (
    basics: Basics,
    engine: ReturnType<typeof createEngine>,
    steps: ReturnType<typeof connectSteps>,
  ) => Beside | null,
): Promise<void> {
  const basics = createBasics(name, env);
  const { clock, ids, log, metrics } = basics;

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
    { drainMs: CONTAINERS[name].drainSeconds * 1_000 },
  );

  let beside: Beside | null = null;

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
    await beside?.commands?.close();
    await bulkWorker();
    await engine.stop();
    await beside?.close();
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
  beside = open(basics, engine, steps);
  await new Promise<void>((resolve, reject) => {
    health.once('error', reject);
    health.listen(Number(env.HEALTH_PORT), resolve);
  });
  log.info('ENGINE_STARTED', { owner: engine.stats.owner });
}
