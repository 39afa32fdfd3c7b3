import { expect, it } from 'vitest';
import { loadState } from '#services/executions/load-state.ts';
import { createMemoryExecutionStore } from '#test/support/memory-execution-store.ts';
import { chainOf, TENANT } from '#test/support/platform.ts';

it('reads the log of an execution whose checkpoint has the form of another version', async () => {
  const store = createMemoryExecutionStore();
  const program = chainOf(1);
  const id = '0190b5a0-0000-7000-8000-0000000000bb';
  await store.access.accept({
    ...{ tenant: TENANT, mode: 'live', id, rootId: id, runtime: 'engine' },
    ...{ workflowId: program.workflowId, version: program.version, programHash: program.hash },
    ...{ input: { n: 1 }, parent: null, depth: 0, retryOf: null, carried: null, labels: {} },
    ...{ correlationId: null, idempotency: null, now: 1 },
  });
  const owned = await store.ownership.claimOne('engine', TENANT, id);
  const answer = await store.ownership.append({
    ...{ tenant: TENANT, executionId: id, epoch: owned?.epoch ?? 0, now: 2 },
    events: [{ seq: 2, at: 2, event: { type: 'execution_started' } }],
    checkpoint: { seq: 2, state: { form: 99 } },
    ...{ steps: [], execution: null, consumedSignals: [], outbox: [], childSignals: [] },
    parentSignal: null,
  });
  expect(answer).toBe('written');
  const programs = { find: async () => program };
  const { state } = await loadState({ executions: store.access, programs }, TENANT, id);
  expect(state).toMatchObject({ seq: 2, input: { n: 1 }, status: 'RUNNING' });
});
