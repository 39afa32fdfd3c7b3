import { SFNClient } from '@aws-sdk/client-sfn';
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { createCallbackTokens } from '#adapters/local/callback-tokens.ts';
import { createIds } from '#adapters/local/ids.ts';
import { createSilentLog } from '#adapters/local/json-log.ts';
import { createSystemClock } from '#adapters/local/system-clock.ts';
import { createPartitions } from '#adapters/postgres/partitions.ts';
import { createPlainCodec } from '#adapters/postgres/payload-codec.ts';
import { createPool } from '#adapters/postgres/pool.ts';
import { createExecutionRecorder } from '#adapters/postgres/recorder.ts';
import { createStepFunctionsWork } from '#adapters/postgres/step-functions-work.ts';
import { createAwsStateMachines } from '#adapters/stepfunctions/state-machines.ts';
import type { AskedRuntime } from '#core/execution/events.ts';
import type { Json } from '#core/json.ts';
import { NO_METRICS } from '#ports/metrics.ts';
import type { StateMachines } from '#ports/state-machines.ts';
import { createStepFunctionsDriver, type StepFunctionsDriver } from '#steps/runner/driver.ts';
import { RunsOnEngine } from '#steps/runner/failure.ts';
import { createKnownExecutions } from '#steps/runner/known.ts';
import { openTask, type RunnerDeps, recordIn } from '#steps/runner/task.ts';
import { clientConfig, startTestAws, TEST_STEP_RUNNER, type TestAws } from '#test/support/aws.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import { chainOf, createTestPlatform, TENANT, type TestPlatform } from '#test/support/platform.ts';
import { createWorld } from '../steps/support.ts';

const program = chainOf(1);

describeWithPostgres('auto, when Step Functions has no room', () => {
  let database: TestDatabase;
  let aws: TestAws;
  let client: SFNClient;
  let platform: TestPlatform;
  let driver: StepFunctionsDriver;
  let runner: RunnerDeps;
  let machines: StateMachines;
  let close: () => Promise<void>;
  /** Invocations that machines made of the step runner. */
  let invoked: number;

  beforeAll(async () => {
    database = await createTestDatabase();
  });
  beforeEach(async () => {
    invoked = 0;
    aws = await startTestAws({
      invoke: async () => {
        invoked += 1;
        return { output: null, attempts: 1 } as Json;
      },
    });
    client = new SFNClient(clientConfig(aws));
    platform = createTestPlatform({
      url: database.url,
      programs: [program],
      performer: {
        call: async () => ({ ok: true, output: null, compensation: null }),
        compensate: async () => ({ ok: true }),
      },
      adopt: false,
    });
    const pool = (role: 'cloudflow_app' | 'cloudflow_engine') =>
      createPool({ url: database.url, role, max: 3, name: 'driver', log: createSilentLog() });
    const app = pool('cloudflow_app');
    const engine = pool('cloudflow_engine');
    close = async () => {
      await Promise.all([app.end(), engine.end()]);
    };
    const codec = createPlainCodec();
    runner = {
      ...createWorld(),
      clock: createSystemClock(),
      ids: createIds(),
      log: createSilentLog(),
      metrics: NO_METRICS,
      executions: platform.access,
      recorder: createExecutionRecorder({ pool: app, codec, partitions: createPartitions(app) }),
      known: createKnownExecutions(),
      operating: platform.deps.store,
      programs: platform.deps.programs,
      tokens: {
        put: async () => undefined,
        find: async () => null,
        forget: async () => undefined,
      },
      callbackTokens: createCallbackTokens(),
    };
    machines = createAwsStateMachines({
      client,
      programs: platform.deps.programs,
      machineOf: async (tenant) => ({ tenant, programHash: program.hash, continues: false }),
      settings: {
        stepRunnerArn: TEST_STEP_RUNNER,
        roleArn: 'arn:aws:iam::000000000000:role/machines',
        logGroupArn: null,
        prefix: 'cloudflow-test',
      },
    });
    driver = createStepFunctionsDriver({
      runner,
      machines,
      work: createStepFunctionsWork({ pool: engine, codec }),
      log: createSilentLog(),
    });
  });
  afterEach(async () => {
    client.destroy();
    await platform.close();
    await close();
    await aws.close();
    expect(aws.faults).toEqual([]);
  });

  const accept = async (asked: AskedRuntime['asked']): Promise<string> => {
    const request = platform.request(program, {
      runtime: 'step_functions',
      choice: { asked, reason: asked === 'auto' ? 'it compiles within all limits' : null },
    });
    await platform.access.accept(request);
    return request.id;
  };
  const eventsOf = async (id: string) =>
    (await platform.access.listEvents(TENANT, id, { limit: 50, after: null })).items.map(
      ({ event }) => event,
    );
  const record = async (id: string) => platform.access.getExecution(TENANT, id);

  it('runs on the engine to its end, and its log says what was asked, what was chosen, and why not', async () => {
    const id = await accept('auto');
    aws.refused.set('StartExecution', 'ThrottlingException');
    await driver.look();
    expect((await record(id))?.runtime).toBe('engine');
    await platform.engine.start();
    await expect
      .poll(async () => (await record(id))?.status, { timeout: 30_000 })
      .toBe('COMPLETED');
    const [created, changed, started] = await eventsOf(id);
    expect(created).toMatchObject({
      type: 'execution_created',
      runtime: 'step_functions',
      choice: { asked: 'auto', reason: 'it compiles within all limits' },
    });
    expect(changed).toEqual({
      type: 'runtime_changed',
      runtime: 'engine',
      reason: 'Step Functions has no room for it: too many calls at a time',
    });
    expect(started).toEqual({ type: 'execution_started' });
    expect(invoked).toBe(0);
    // What is over is looked at no more.
    const before = aws.asked.length;
    await driver.look();
    expect(aws.asked).toHaveLength(before);
  });

  it('what was asked for by name waits for its quota', async () => {
    const id = await accept('step_functions');
    aws.refused.set('CreateStateMachine', 'StateMachineLimitExceeded');
    await driver.look();
    expect(await record(id)).toMatchObject({ runtime: 'step_functions', status: 'PENDING' });
    expect(await eventsOf(id)).toHaveLength(1);
    aws.refused.clear();
    await driver.look();
    expect(await record(id)).toMatchObject({ runtime: 'step_functions', status: 'RUNNING' });
  });

  it('a start whose answer was lost runs where it was meant to', async () => {
    const id = await accept('auto');
    const { workflowId, version, hash: programHash } = program;
    const named = { mode: 'live', workflowId, version, programHash, continues: false } as const;
    await machines.start({ tenant: TENANT, executionId: id, input: {}, trace: null, ...named });
    aws.refused.set('StartExecution', 'ThrottlingException');
    await driver.look();
    expect(await record(id)).toMatchObject({ runtime: 'step_functions', status: 'RUNNING' });
    expect((await eventsOf(id)).map(({ type }) => type)).not.toContain('runtime_changed');
  });

  it('one that died between saying and doing is completed by the next look', async () => {
    const id = await accept('auto');
    const task = await openTask(runner, TENANT, id);
    await recordIn(task, ({ events }) => {
      events.push({ type: 'runtime_changed', runtime: 'engine', reason: 'no room' });
    });
    // A process that read the log before, and one that did not.
    await driver.look();
    expect((await record(id))?.runtime).toBe('engine');
    await expect(recordIn(task, () => null)).rejects.toBeInstanceOf(RunsOnEngine);
  });
});
