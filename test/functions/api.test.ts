import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Client } from '#client/client.ts';
import { hasErrorCode } from '#core/errors.ts';
import { aDefinition, startTestApi, type TestApi } from '#test/support/api.ts';
import { createTestDatabase, describeWithPostgres } from '#test/support/database.ts';

describeWithPostgres('the API from outside', () => {
  let api: TestApi;
  let client: Client;

  beforeAll(async () => {
    api = await startTestApi(await createTestDatabase(), {
      performer: {
        call: () => Promise.resolve({ ok: true, output: { done: true } }),
        compensate: () => Promise.resolve({ ok: true }),
      } as never,
    });
    const tenant = await api.createTenant();
    client = api.client(await api.createKey(tenant, ['*']));
  });
  afterAll(() => api?.close());

  async function ended(id: string) {
    for (let i = 0; i < 200; i++) {
      const found = await client.getExecution({ execution_id: id });
      if (!['PENDING', 'RUNNING'].includes(found.status)) return found;
      await pause(20);
    }
    throw new Error(`execution ${id} did not end`);
  }

  it('stores a workflow, runs it and shows what happened', async () => {
    const stored = await client.send('createWorkflow', { body: aDefinition() });
    expect(stored.status).toBe(201);
    expect(stored.body).toMatchObject({ workflow_id: 'greeting', version: '1.0.0' });

    const started = await client.executeWorkflow({
      workflow_id: 'greeting',
      body: { input: { name: 'Ada' }, labels: { team: 'ops' } },
    });
    const found = await ended(started.execution_id);
    expect(found).toMatchObject({
      status: 'COMPLETED',
      output: { greet: { hello: 'world' } },
      input: { name: 'Ada' },
      waits: [],
    });
    expect(found.timeline.map(({ event }) => event)).toContain('execution_completed');

    const workflow = await client.getWorkflow({ workflow_id: 'greeting' });
    expect(workflow.latest_execution).toMatchObject({ id: started.execution_id });
    const steps = await client.listSteps({ execution_id: started.execution_id });
    expect(steps.items).toMatchObject([{ step: 'greet', type: 'transform', status: 'SUCCESS' }]);
    const machine = await client.getStateMachine({ execution_id: started.execution_id });
    expect(machine.definition).toHaveProperty('States');
    const byLabel = await client.listExecutions({ query: { label: ['team:ops'] } });
    expect(byLabel.items.map(({ id }) => id)).toEqual([started.execution_id]);
    const history = await client.listHistory({ workflow_id: 'greeting' });
    expect(history.items).toHaveLength(1);
  });

  it.each(['a_b-c_', '0', 'w'.repeat(63)])(
    'an id that the language accepts is one that every route takes: %s',
    async (workflow_id) => {
      await client.createWorkflow({ body: aDefinition({ workflow_id }) });
      const { execution_id } = await client.executeWorkflow({ workflow_id, body: {} });
      expect(await ended(execution_id)).toMatchObject({ workflow_id, status: 'COMPLETED' });
      const listed = await client.listExecutions({ query: { workflow_id } });
      expect(listed.items.map(({ id }) => id)).toEqual([execution_id]);
      expect((await client.listHistory({ workflow_id })).items).toHaveLength(1);
      expect(await client.getVersion({ workflow_id, version: '1.0.0' })).toMatchObject({
        workflow_id,
      });
      const { key } = await client.createApiKey({
        body: { name: 'one', mode: 'live', scopes: ['workflow:read'], workflows: [workflow_id] },
      });
      expect(key.workflows).toEqual([workflow_id]);
    },
  );

  it('an unknown workflow is not found', async () => {
    await expect(client.getWorkflow({ workflow_id: 'nothing' })).rejects.toSatisfy((error) =>
      hasErrorCode(error, 'NOT_FOUND'),
    );
  });
});
