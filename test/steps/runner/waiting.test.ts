import { expect, it } from 'vitest';
import { createCallbackTokens } from '#adapters/local/callback-tokens.ts';
import { createIds } from '#adapters/local/ids.ts';
import { createSilentLog } from '#adapters/local/json-log.ts';
import { createSystemClock } from '#adapters/local/system-clock.ts';
import type { StepRunnerPayload } from '#core/asl/payload.ts';
import { NO_METRICS } from '#ports/metrics.ts';
import { createKnownExecutions } from '#steps/runner/known.ts';
import { runTask } from '#steps/runner/run-task.ts';
import type { RunnerDeps } from '#steps/runner/task.ts';
import { answerTask } from '#steps/runner/waiting.ts';
import { createMemoryExecutionStore } from '#test/support/memory-execution-store.ts';
import { programOf, TENANT } from '#test/support/platform.ts';
import { createWorld } from '../support.ts';

const TIMEOUT_MS = 60_000;
const program = programOf({
  workflow_id: 'asks',
  version: '1.0.0',
  output: null,
  steps: [{ id: 'ask', type: 'approval', config: { assignee: 'ada', timeout: TIMEOUT_MS } }],
});
const execution = '0190b5a0-0000-7000-8000-0000000000bb';

/** An approval that is asked for at once and answered so much later: what the log says, and the machine heard. */
async function answered(afterMs: number) {
  let now = 1_000_000;
  const heard: string[] = [];
  const store = createMemoryExecutionStore();
  await store.access.accept({
    ...{ tenant: TENANT, mode: 'live', id: execution, rootId: execution },
    ...{ workflowId: program.workflowId, version: program.version, programHash: program.hash },
    ...{ runtime: 'step_functions', input: {}, parent: null, depth: 0, retryOf: null },
    ...{ carried: null, labels: {}, correlationId: null, idempotency: null, now },
  });
  const deps: RunnerDeps = {
    ...createWorld(),
    clock: { ...createSystemClock(), now: () => now },
    ids: createIds(),
    log: createSilentLog(),
    metrics: NO_METRICS,
    executions: store.access,
    recorder: store.recorder,
    known: createKnownExecutions(),
    operating: store.ownership,
    programs: { find: async () => program },
    tokens: store.tokens,
    callbackTokens: createCallbackTokens(),
  };
  const task = { kind: 'approval', execution, step: 'ask', repetition: 0, token: 'token' };
  await runTask(deps, TENANT, task as StepRunnerPayload);
  now += afterMs;
  const machine = async (token: string): Promise<'sent'> => {
    heard.push(token);
    return 'sent';
  };
  const answer = await answerTask(
    deps,
    { sendTaskSuccess: machine, sendTaskFailure: machine, sendTaskHeartbeat: machine },
    TENANT,
    execution,
    {
      ...{ kind: 'approval_answered', step: 'ask', decision: 'approved', by: 'ada' },
      ...{ comment: null, at: now },
    },
  );
  return { answer, heard, events: store.events(execution).map(({ event }) => event.type) };
}

it('an answer in time is recorded, and the machine hears of it', async () => {
  const { answer, heard, events } = await answered(TIMEOUT_MS - 1);
  expect([answer, heard]).toEqual(['delivered', ['token']]);
  expect(events.at(-1)).toBe('step_succeeded');
});

it('what comes when the time is over is no answer, for the machine has decided by itself', async () => {
  const { answer, heard, events } = await answered(TIMEOUT_MS);
  expect([answer, heard]).toEqual(['gone', []]);
  expect(events.at(-1)).toBe('step_started');
});
