import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  CreateStateMachineCommand,
  DescribeExecutionCommand,
  SFNClient,
  StartExecutionCommand,
} from '@aws-sdk/client-sfn';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compileMachine } from '#core/asl/compile.ts';
import { checkWorkflow } from '#core/check-workflow.ts';
import type { Json, JsonObject } from '#core/json.ts';
import type { Program } from '#core/plan/program.ts';
import { clientConfig, startTestAws, type TestAws } from '#test/support/aws.ts';
import { type Emulation, missingEmulation, startEmulation } from './emulation.ts';

/**
 * The same machines through the same SDK, once on our own interpreter of the States Language and once on
 * moto's, which others wrote. Both invoke one step runner that answers by rule, so what
 * may differ is what the machines mean.
 */
const missing = missingEmulation();
if (missing !== null) {
  process.stderr.write(
    `\nSKIPPING the comparison with another emulation of Step Functions: ${missing}\n` +
      'pip install -r test/emulation/requirements.txt, and EMULATION_PYTHON names its python\n\n',
  );
}

const FOLDER = fileURLToPath(new URL('../../statemachines/examples/', import.meta.url));
/** They wait for people, partners or real time; the others run by themselves. */
const WAITING = ['card-payment.json', 'employee-start.json', 'report-polling.json'];
const examples = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.json'))
  .filter((name) => !WAITING.includes(name));

interface Ran {
  readonly status: string;
  readonly output: Json;
  readonly error: string | null;
  /** What the step runner was asked, in any order: branches run side by side. */
  readonly asked: readonly string[];
}

/** A step runner by rule: `failing` steps fail, lists have two items, everything else succeeds. */
function answer(payload: JsonObject, failing: string | null): Json {
  const { kind, step, status, value = null } = payload;
  if (kind === 'report') {
    if (status === 'COMPLETED') return { output: { all: 'well' } };
    return { error: 'CloudFlow.StepFailed', cause: 'the step failed' };
  }
  if (kind === 'record') return {};
  if (kind === 'condition' || kind === 'test') return { result: true };
  if (failing !== null && step === failing) {
    const error = new Error(JSON.stringify({ message: 'it is broken', attempts: 1 }));
    error.name = 'CloudFlow.ClientError';
    throw error;
  }
  return { output: value, attempts: 1, items: [1, 2], count: 2 };
}

describe.skipIf(missing !== null)('machines on an interpreter that others wrote', () => {
  let ours: TestAws;
  let theirs: Emulation;
  let failing: string | null = null;
  const asked = new Map<string, string[]>();

  const invoke = async (payload: Json): Promise<Json> => {
    const given = payload as JsonObject;
    const id = String(given['execution']);
    asked.set(id, [...(asked.get(id) ?? []), `${given['kind']} ${given['step'] ?? ''}`.trim()]);
    return answer(given, failing);
  };

  beforeAll(async () => {
    ours = await startTestAws({ invoke: (_, payload) => invoke(payload) });
    theirs = await startEmulation(invoke);
  });
  afterAll(async () => {
    await ours?.close();
    await theirs?.close();
  });

  async function run(url: string, program: Program, region: string): Promise<Ran> {
    const client = new SFNClient({ ...clientConfig({ url }), region });
    const account = region === 'us-east-1' ? '123456789012' : '000000000000';
    const stepRunner = `arn:aws:lambda:${region}:${account}:function:step-runner:live`;
    const compiled = compileMachine(program, { stepRunner });
    if (!compiled.ok) throw new Error(JSON.stringify(compiled.problems));
    const name = randomUUID();
    try {
      const { stateMachineArn } = await client.send(
        new CreateStateMachineCommand({
          name: `cloudflow-test-${name}`,
          definition: JSON.stringify(compiled.machine),
          roleArn: `arn:aws:iam::${account}:role/machines`,
          type: 'STANDARD',
        }),
      );
      const input = JSON.stringify({ items: [1, 2] });
      const { executionArn } = await client.send(
        new StartExecutionCommand({ stateMachineArn, name, input }),
      );
      const describe = () => client.send(new DescribeExecutionCommand({ executionArn }));
      await expect
        .poll(async () => (await describe()).status, { timeout: 20_000, interval: 200 })
        .not.toBe('RUNNING');
      const { status, output, error } = await describe();
      return {
        status: status ?? 'GONE',
        output: output === undefined ? null : (JSON.parse(output) as Json),
        error: error ?? null,
        asked: (asked.get(name) ?? []).toSorted(),
      };
    } finally {
      client.destroy();
    }
  }

  const programOf = (file: string): Program => {
    const definition = JSON.parse(readFileSync(FOLDER + file, 'utf8')) as JsonObject;
    const checked = checkWorkflow({ ...definition, runtime: 'step_functions' });
    if (!checked.ok) throw new Error(JSON.stringify(checked.problems));
    return checked.program;
  };
  const both = async (program: Program) => ({
    ours: await run(ours.url, program, 'eu-central-1'),
    theirs: await run(theirs.url, program, 'us-east-1'),
  });

  it.each(examples)('%s runs to the same end', async (file) => {
    failing = null;
    const ran = await both(programOf(file));
    expect(ran.theirs).toEqual(ran.ours);
    expect(ran.ours.asked.length).toBeGreaterThan(0);
  });

  it.each([
    ['order-fulfilment.json', 'ship'],
    ['price-comparison.json', 'north'],
    ['onboarding-demo.json', 'validate-customer'],
    ['incident-approval.json', 'ask'],
  ])('%s ends the same when %s fails', async (file, step) => {
    const program = programOf(file);
    expect(program.root.steps.map(({ id }) => id)).toContain(step);
    failing = step;
    const ran = await both(program);
    expect(ran.theirs).toEqual(ran.ours);
  });
});
