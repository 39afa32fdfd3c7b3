import { randomUUID } from 'node:crypto';
import { SFNClient } from '@aws-sdk/client-sfn';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { collectMachines } from '#adapters/stepfunctions/collect.ts';
import { createMachineNames, type MachineSettings } from '#adapters/stepfunctions/machines.ts';
import { createAwsStateMachines } from '#adapters/stepfunctions/state-machines.ts';
import { checkWorkflow } from '#core/check-workflow.ts';
import type { Json, JsonObject } from '#core/json.ts';
import type { Program } from '#core/plan/program.ts';
import type { StartStateMachine, StateMachines } from '#ports/state-machines.ts';
import { clientConfig, startTestAws, TEST_STEP_RUNNER, type TestAws } from '#test/support/aws.ts';

/**
 * The adapter's contract, with the real SDK client over HTTP against lib/local/aws-endpoint: an
 * emulation over our own interpreter, so what is proven is ours (names, order, repetitions, errors
 * that are told apart) and not what AWS does.
 */
const TENANT = '0190b3c1-0000-7000-8000-000000000001';
const SETTINGS: MachineSettings = {
  stepRunnerArn: TEST_STEP_RUNNER,
  roleArn: 'arn:aws:iam::000000000000:role/machines',
  logGroupArn: null,
  prefix: 'cloudflow-test',
};

function programOf(value: Json): Program {
  const checked = checkWorkflow({
    workflow_id: 'asks',
    version: '1.0.0',
    runtime: 'step_functions',
    steps: [
      { id: 'make', type: 'transform', config: { value } },
      {
        id: 'ask',
        type: 'approval',
        depends_on: ['make'],
        config: { assignee: 'a@example.com', timeout: '1h' },
      },
    ],
  });
  if (!checked.ok) throw new Error(JSON.stringify(checked.problems));
  return checked.program;
}

/** What the step runner would answer, as far as a machine needs it to go on. */
function answerOf({ kind, status, value = null }: JsonObject): Json {
  if (kind !== 'report') return { output: value, attempts: 1 };
  return status === 'COMPLETED'
    ? { output: null }
    : { error: 'CloudFlow.StepFailed', cause: 'the step failed' };
}

describe('Step Functions behind its port', () => {
  let aws: TestAws;
  let client: SFNClient;
  /** By hash, as the database has them. */
  let programs: Map<string, Program>;
  let hashes: Map<string, string>;
  let invoked: JsonObject[];
  const names = createMachineNames(SETTINGS);

  beforeEach(async () => {
    invoked = [];
    programs = new Map([
      ['one', programOf(1)],
      ['two', programOf(2)],
    ]);
    hashes = new Map();
    aws = await startTestAws({
      invoke: async (functionArn, payload) => {
        invoked.push({ functionArn, ...(payload as JsonObject) });
        return answerOf(payload as JsonObject);
      },
    });
    client = new SFNClient(clientConfig(aws));
  });
  afterEach(async () => {
    client.destroy();
    await aws.close();
    expect(aws.faults).toEqual([]);
  });

  const keyOf = (programHash: string) => ({ tenant: TENANT, programHash, continues: false });
  const machines = (settings: Partial<MachineSettings> = {}): StateMachines =>
    createAwsStateMachines({
      client,
      programs: { find: async (_, hash) => programs.get(hash) ?? null },
      machineOf: async (tenant, id) => {
        const programHash = hashes.get(id);
        return programHash === undefined ? null : { tenant, programHash, continues: false };
      },
      settings: { ...SETTINGS, ...settings },
    });
  function accepted(programHash: string): StartStateMachine {
    const executionId = randomUUID();
    hashes.set(executionId, programHash);
    const named = { workflowId: 'asks', version: '1.0.0', mode: 'live' } as const;
    return { ...named, ...keyOf(programHash), executionId, input: { n: 1 }, trace: null };
  }
  const calls = (name: string) => aws.asked.filter((each) => each.endsWith(`.${name}`)).length;
  async function tokenOf(executionId: string): Promise<string> {
    const find = () => invoked.find((each) => each['kind'] === 'approval');
    await expect.poll(() => find()?.['execution']).toBe(executionId);
    return String(find()?.['token']);
  }

  it('tells Step Functions where an execution stands in a trace, if it stands in one', async () => {
    const told: (string | undefined)[] = [];
    client.middlewareStack.add(
      (next) => (args) => {
        const { name, input, traceHeader } = args.input as Record<string, string | undefined>;
        if (name !== undefined && input !== undefined) told.push(traceHeader);
        return next(args);
      },
      { step: 'initialize' },
    );
    const trace = 'Root=1-67890001-aaaaaaaaaaaaaaaaaaaaaaaa;Parent=bbbbbbbbbbbbbbbb;Sampled=1';
    await machines().start({ ...accepted('one'), trace });
    await machines().start(accepted('one'));
    expect(told).toEqual([trace, undefined]);
  });

  it('makes the machine at the first start: named by content, tagged, run through its alias', async () => {
    const request = accepted('one');
    expect(await machines().start(request)).toEqual({ kind: 'started' });
    const name = names.machineArn(keyOf('one')).split(':')[6] ?? '';
    expect(name).toMatch(/^cloudflow-test-[0-9a-f]{40}$/);
    expect(aws.tags(name)).toEqual({
      'cloudflow:tenant': TENANT,
      'cloudflow:workflow': 'asks',
      'cloudflow:version': '1.0.0',
      'cloudflow:program': 'one',
    });
    expect(
      new Set(
        [
          keyOf('one'),
          { ...keyOf('one'), tenant: randomUUID() },
          { ...keyOf('one'), continues: true },
          keyOf('two'),
        ].map(names.machineArn),
      ).size,
    ).toBe(4);
    await tokenOf(request.executionId);
    expect(await machines().describe(TENANT, request.executionId)).toMatchObject({
      status: 'RUNNING',
      stoppedAt: null,
      error: null,
    });
  });

  it('makes it once: by one process, by many at once, by one that knows nothing', async () => {
    const known = machines();
    await known.start(accepted('one'));
    await known.start(accepted('one'));
    expect(calls('CreateStateMachine')).toBe(1);
    const answers = await Promise.all(
      [known, machines(), machines()].map((each) => each.start(accepted('two'))),
    );
    expect(answers).toEqual(answers.map(() => ({ kind: 'started' })));
    expect(calls('UpdateStateMachine')).toBe(0);
  });

  it.each([
    ['StartExecution', 'ExecutionLimitExceeded', 'too many executions run at a time'],
    ['StartExecution', 'ThrottlingException', 'too many calls at a time'],
    ['CreateStateMachine', 'StateMachineLimitExceeded', 'the account has too many state machines'],
    ['CreateStateMachine', 'ServiceQuotaExceededException', 'a quota of the account is used up'],
  ])('%s refused as %s is a quota, told without names of the account', async (...given) => {
    const [operation, name, message] = given;
    aws.refused.set(operation, name);
    const request = accepted('one');
    expect(await machines().start(request)).toEqual({ kind: 'quota', message });
    expect(await machines().describe(TENANT, request.executionId)).toBeNull();
    aws.refused.clear();
    expect(await machines().start(request)).toEqual({ kind: 'started' });
  });

  it('starts an execution once: a repetition finds the first, another input is told apart', async () => {
    const request = accepted('one');
    expect(await machines().start(request)).toEqual({ kind: 'started' });
    expect(await machines().start(request)).toEqual({ kind: 'started' });
    expect(await machines().start({ ...request, input: 2 })).toEqual({ kind: 'exists' });
    await tokenOf(request.executionId);
    expect(invoked.filter(({ kind }) => kind === 'transform')).toHaveLength(1);
  });

  it('another compiler makes a new version; what runs keeps its own', async () => {
    const before = accepted('one');
    await machines().start(before);
    const token = await tokenOf(before.executionId);
    const stepRunnerArn = TEST_STEP_RUNNER.replace(':live', ':next');
    const after = accepted('one');
    expect(await machines({ stepRunnerArn }).start(after)).toEqual({ kind: 'started' });
    expect(calls('UpdateStateMachine')).toBe(1);
    expect(calls('UpdateStateMachineAlias')).toBe(1);
    expect(await machines().sendTaskSuccess(token, { output: null, attempts: 1 })).toBe('sent');
    await aws.ended(names.executionArn(keyOf('one'), before.executionId));
    expect(await machines().describe(TENANT, before.executionId)).toMatchObject({
      status: 'SUCCEEDED',
    });
    const asked = (id: string) =>
      new Set(
        invoked.filter((each) => each['execution'] === id).map((each) => each['functionArn']),
      );
    expect(asked(before.executionId)).toEqual(new Set([TEST_STEP_RUNNER]));
    await expect.poll(() => asked(after.executionId)).toEqual(new Set([stepRunnerArn]));
  });

  it('answers a task once; later, twice and made up is gone', async () => {
    const request = accepted('one');
    const sfn = machines();
    await sfn.start(request);
    const token = await tokenOf(request.executionId);
    expect(await sfn.sendTaskHeartbeat(token)).toBe('sent');
    expect(await sfn.sendTaskFailure(token, { error: 'No', cause: 'x'.repeat(40_000) })).toBe(
      'sent',
    );
    expect(await sfn.sendTaskSuccess(token, 1)).toBe('gone');
    expect(await sfn.sendTaskHeartbeat('made-up')).toBe('gone');
    await aws.ended(names.executionArn(keyOf('one'), request.executionId));
    const status = await sfn.describe(TENANT, request.executionId);
    expect(status?.stoppedAt).toBeGreaterThanOrEqual(status?.startedAt ?? Infinity);
  });

  it('stops what runs; stopping again, what never was and what nobody accepted is harmless', async () => {
    const request = accepted('one');
    const sfn = machines();
    await sfn.start(request);
    await tokenOf(request.executionId);
    const reason = { error: 'CloudFlow.Cancelled', cause: 'x'.repeat(40_000) };
    await sfn.stop(TENANT, request.executionId, reason);
    await sfn.stop(TENANT, request.executionId, reason);
    const { executionId } = accepted('two');
    await sfn.stop(TENANT, executionId, reason);
    await sfn.stop(TENANT, randomUUID(), reason);
    expect(await sfn.describe(TENANT, executionId)).toBeNull();
    expect(await sfn.describe(TENANT, randomUUID())).toBeNull();
    const status = await sfn.describe(TENANT, request.executionId);
    expect(status).toMatchObject({ status: 'ABORTED', error: 'CloudFlow.Cancelled' });
    expect(status?.cause).toHaveLength(32_768);
  });

  it('tells the history page by page, times as text', async () => {
    const request = accepted('one');
    const sfn = machines();
    await sfn.start(request);
    await tokenOf(request.executionId);
    const first = await sfn.history(TENANT, request.executionId, { limit: 2, after: null });
    expect(first.events).toMatchObject([
      { type: 'ExecutionStarted' },
      { type: 'TaskStateEntered' },
    ]);
    expect((first.events[0] as JsonObject)['timestamp']).toMatch(/^\d{4}-\d\d-\d\dT/);
    const next = await sfn.history(TENANT, request.executionId, { limit: 2, after: first.next });
    expect(next.events).toMatchObject([{ id: 3 }, { id: 4 }]);
    const { executionId } = accepted('two');
    expect(await sfn.history(TENANT, executionId, { limit: 2, after: null })).toEqual({
      events: [],
      next: null,
    });
  });

  it('collects machines that nobody uses, and makes them anew when somebody does', async () => {
    const sfn = machines();
    const running = accepted('one');
    await sfn.start(running);
    const token = await tokenOf(running.executionId);
    const collect = (unusedSince: number, prefix = SETTINGS.prefix) =>
      collectMachines({ client, prefix, unusedSince, limit: 100 });
    const later = Date.now() + 60_000;
    expect(await collect(later)).toEqual({ seen: 1, deleted: 0 }); // it runs
    await sfn.sendTaskSuccess(token, { output: null, attempts: 1 });
    await aws.ended(names.executionArn(keyOf('one'), running.executionId));
    expect(await collect(Date.now() - 60_000)).toEqual({ seen: 1, deleted: 0 }); // it ran just now
    expect(await collect(later, 'cloudflow-other')).toEqual({ seen: 0, deleted: 0 });
    expect(await collect(later)).toEqual({ seen: 1, deleted: 1 });
    // This adapter still remembers its alias.
    expect(await sfn.start(accepted('one'))).toEqual({ kind: 'started' });
    expect(calls('CreateStateMachine')).toBe(2);
  });

  it.each([
    ['an ARN that is no function', { stepRunnerArn: 'step-runner' }, /use the ARN of a function/],
    ['a prefix that is too long', { prefix: 'x'.repeat(33) }, /up to 32 letters/],
  ])('refuses %s at the start', (_, settings, message) => {
    expect(() => machines(settings)).toThrow(message);
  });
});
