import { createIds } from '#adapters/local/ids.ts';
import { createSystemClock } from '#adapters/local/system-clock.ts';
import type { Json, JsonObject } from '#core/json.ts';
import { createInProcessEvaluator } from '#evaluator/in-process.ts';
import { createMemoryHistoryStore } from '#local/asl/memory-history-store.ts';
import { createStateMachineRuntime } from '#local/asl/runtime.ts';
import { createKeysService, KEYS } from '#local/aws-endpoint/keys-service.ts';
import { createQueueService, QUEUES } from '#local/aws-endpoint/queue-service.ts';
import { createSecretsService, SECRETS } from '#local/aws-endpoint/secrets-service.ts';
import { AwsError, type Service, startAwsEndpoint } from '#local/aws-endpoint/server.ts';
import { createMachineRegistry, STATES } from '#local/aws-endpoint/states-service.ts';

/** AWS as our adapters see it, on this machine: an emulation over our own interpreter. */
export interface TestAws {
  readonly url: string;
  /** What a process of ours needs to find it. */
  readonly env: Readonly<Record<string, string>>;
  /** What was asked, as `AWSStepFunctions.StartExecution`. */
  readonly asked: readonly string[];
  /** Operations of Step Functions that are refused, and as what: quotas are used up when a test says so. */
  readonly refused: Map<string, string>;
  /** Queues that got a message. */
  readonly nudged: string[];
  /** Faults of the interpreter: a test that is over has none. */
  readonly faults: unknown[];
  /** Resolves when that execution of a machine has ended. */
  ended(executionArn: string): Promise<void>;
  /** Tags of the machine of that name; null: there is none. */
  tags(machineName: string): Readonly<Record<string, string>> | null;
  close(): Promise<void>;
}

export const TEST_ARNS = 'arn:aws:states:eu-central-1:000000000000';
export const TEST_STEP_RUNNER =
  'arn:aws:lambda:eu-central-1:000000000000:function:step-runner:live';

export interface TestAwsOptions {
  /** What machines invoke; rejecting is what a function does that throws. */
  readonly invoke: (functionArn: string, payload: Json) => Promise<Json>;
  readonly secrets?: Readonly<Record<string, string>>;
}

export async function startTestAws(options: TestAwsOptions): Promise<TestAws> {
  const clock = createSystemClock();
  const registry = createMachineRegistry({
    clock,
    arnPrefix: TEST_ARNS,
    tenantOf: (tags) => tags['cloudflow:tenant'] ?? 'nobody',
  });
  const faults: unknown[] = [];
  const nudged: string[] = [];
  const evaluator = createInProcessEvaluator({ clock });
  const runtime = createStateMachineRuntime({
    clock,
    ids: createIds(),
    evaluator,
    store: createMemoryHistoryStore(),
    definitions: registry.definitions,
    tasks: {
      async invokeLambda({ functionName, payload }) {
        try {
          return { ok: true, payload: await options.invoke(functionName, payload) };
        } catch (error) {
          const { name, message } = error as Error;
          const cause = JSON.stringify({ errorType: name, errorMessage: message });
          return { ok: false, error: name, cause };
        }
      },
    },
    onFault: (fault) => void faults.push(fault),
  });
  const refused = new Map<string, string>();
  const states = Object.entries(registry.service(runtime)).map(([name, operation]) => [
    name,
    (input: JsonObject, region: string) => {
      const as = refused.get(name);
      if (as !== undefined) throw new AwsError(as, `arn:aws:states:::${name} is refused`);
      return operation(input, region);
    },
  ]);
  const endpoint = await startAwsEndpoint({
    [STATES]: Object.fromEntries(states) as Service,
    [SECRETS]: createSecretsService(options.secrets),
    [KEYS]: createKeysService(),
    [QUEUES]: createQueueService((queue) => void nudged.push(queue)),
  });
  return {
    url: endpoint.url,
    env: {
      AWS_ENDPOINT_URL: endpoint.url,
      AWS_REGION: 'eu-central-1',
      AWS_ACCESS_KEY_ID: 'nobody',
      AWS_SECRET_ACCESS_KEY: 'nothing',
    },
    asked: endpoint.asked,
    refused,
    nudged,
    faults,
    ended: async (arn) => void (await runtime.waitForExecution(arn)),
    tags: (name) => registry.tags(name),
    async close() {
      await endpoint.close();
      await runtime.close();
      await evaluator.close();
    },
  };
}

/** What a client is made with to speak to it. */
export function clientConfig({ url }: Pick<TestAws, 'url'>) {
  const credentials = { accessKeyId: 'nobody', secretAccessKey: 'nothing' };
  return { endpoint: url, region: 'eu-central-1', credentials, maxAttempts: 1 };
}
