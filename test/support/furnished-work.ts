import { expect, vi } from 'vitest';
import { createCallbackTokens } from '#adapters/local/callback-tokens.ts';
import { aDefinition } from './api.ts';
import { layDeadLetter } from './events.ts';
import { CONNECTION, STATEMENT } from './example-requests.ts';
import type { Furnisher, Names } from './furnished-tenant.ts';

type OfWork = Pick<
  Names,
  | 'workflow'
  | 'version'
  | 'execution'
  | 'bulk_operation'
  | 'approval'
  | 'label'
  | 'words'
  | 'connection'
  | 'connection_operation'
  | 'secret'
  | 'dead_letter'
  | 'fingerprint'
  | 'callback_token'
>;

/** Tenants have versions and causes of failure of their own. */
let furnished = 0;

/** Workflows, executions that have ended, connections, and what people have to see to. */
export async function furnishWork(
  { api, database }: Furnisher,
  tenant: string,
  word: string,
  key: string,
): Promise<OfWork> {
  furnished += 1;
  const client = api.client(key);
  const version = `1.${furnished}.0`;
  const workflow = `${word}-flow`;
  const description = `of ${word}`;
  const step = { type: 'transform', config: { value: { hello: word } } } as const;
  const steps = [
    { id: 'greet', ...step },
    { id: 'part', depends_on: ['greet'], ...step },
  ];
  for (const more of [
    { workflow_id: workflow, version: '1.0.0' },
    { workflow_id: workflow, version },
    { workflow_id: `${word}-other`, version: '1.0.0' },
  ]) {
    await client.createWorkflow({ body: aDefinition({ ...more, description, steps }) });
  }
  const executions: string[] = [];
  for (let i = 0; i < 2; i += 1) {
    const { execution_id } = await client.executeWorkflow({
      workflow_id: workflow,
      body: { input: { of: word }, labels: { team: word } },
    });
    executions.push(execution_id);
    await vi.waitFor(
      async () => {
        const { status } = await client.getExecution({ execution_id });
        expect(status).toBe('COMPLETED');
      },
      { timeout: 60_000 },
    );
  }
  for (const name of [`${word}-shop`, `${word}-store`]) {
    const login = { username: word, secret: `${word}-password` };
    await client.createConnection({
      body: {
        name,
        connection: { ...CONNECTION, login },
        secrets: { [`${word}-password`]: 'kept' },
      },
    });
  }
  for (const name of [`${word}-count`, `${word}-sum`]) {
    await client.createOperation({ connection: `${word}-shop`, body: { name, ...STATEMENT } });
  }
  const bulk = [
    await client.startBulkOperation({ body: { action: 'cancel' } }),
    await client.startBulkOperation({ body: { action: 'pause' } }),
  ];
  for (const executionId of executions) {
    await api.ownership.requestApproval({
      ...{ tenant, executionId, workflowId: workflow, step: 'greet', mode: 'live' },
      ...{ assignees: [`${word}-ada`], message: null },
      ...{ requestedAt: Date.now(), dueAt: Date.now() + 3_600_000 },
    });
    await database.admin.query(
      `insert into quarantined_executions (tenant_id, execution_id, workflow_id, mode, code, reason, at)
       values ($1, $2, $3, 'live', 'fold', 'set aside by a test', now())`,
      [tenant, executionId, workflow],
    );
  }
  const letters: string[] = [];
  for (const cause of ['1', '2']) {
    const letter = await layDeadLetter(database, tenant);
    letters.push(letter);
    await database.admin.query('update dead_letters set fingerprint = $2 where id = $1', [
      letter,
      fingerprintOf(cause),
    ]);
  }
  const callback = createCallbackTokens().create();
  await api.ownership.openCallback(callback.hash, {
    ...{ tenant, executionId: executions[0] ?? '', step: 'greet', mode: 'live' },
    expiresAt: Date.now() + 3_600_000,
  });
  const approvals = await client.listApprovals();
  return {
    ...{ workflow, version, execution: executions[0] ?? '' },
    bulk_operation: bulk[0]?.id ?? '',
    approval: approvals.items[0]?.id ?? '',
    label: `team:${word}`,
    words: word,
    connection: `${word}-shop`,
    connection_operation: `${word}-count`,
    secret: `${word}-password`,
    dead_letter: letters[0] ?? '',
    fingerprint: fingerprintOf('1'),
    callback_token: callback.token,
  };
}

function fingerprintOf(cause: string): string {
  return `${cause}${furnished}`.padEnd(16, 'e');
}
