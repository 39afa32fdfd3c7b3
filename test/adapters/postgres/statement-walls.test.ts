import { beforeEach, describe, expect, it } from 'vitest';
import { createIds } from '#adapters/local/ids.ts';
import { createExecutionAccess } from '#adapters/postgres/access.ts';
import { createPostgresConnections } from '#adapters/postgres/connection-store.ts';
import { createPartitions } from '#adapters/postgres/partitions.ts';
import { createPlainCodec } from '#adapters/postgres/payload-codec.ts';
import { createPostgresWorkflowStore } from '#adapters/postgres/workflow-store.ts';
import type { OperationSpec } from '#core/connections.ts';
import type { Program } from '#core/plan/program.ts';
import type { ConnectionStore, NewConnection } from '#ports/connection-store.ts';
import type { ExecutionAccess } from '#ports/execution-store.ts';
import type { NewVersion, WorkflowStore } from '#ports/workflow-store.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
  withoutRowSecurity,
} from '#test/support/database.ts';
import { chainOf, OTHER_TENANT, TENANT } from '#test/support/platform.ts';
import { bothTenants, untouched } from '#test/support/two-tenants.ts';

// Every statement asks for the rows of one tenant by itself: here nothing stands behind it. Two tenants
// have things of the same names. What the one does shows it nothing of the other, and changes nothing.

const MODE = 'live';
const NOW = 1_700_000_000_000;
const PAGE = { after: null, limit: 100 };
const SECRET = 'the-same-name';
const UNKNOWN = '33333333-3333-4333-8333-333333333333';

const programs = {
  '1.0.0': chainOf(1),
  '2.0.0': chainOf(2, { version: '2.0.0' }),
};

interface Theirs {
  readonly execution: string;
  readonly approval: string;
}

describeWithPostgres('statements, with row-level security switched off', () => {
  let database: TestDatabase;
  let workflows: WorkflowStore;
  let connections: ConnectionStore;
  let access: ExecutionAccess;
  const ids = createIds();

  beforeEach(async () => {
    database = await createTestDatabase();
    await withoutRowSecurity(database);
    await bothTenants(database.admin);
    const pool = database.pool('cloudflow_app');
    workflows = createPostgresWorkflowStore({ pool, codec: createPlainCodec(), ids });
    connections = createPostgresConnections(pool);
    access = createExecutionAccess({
      pool,
      readers: pool,
      codec: createPlainCodec(),
      ids,
      partitions: createPartitions(pool),
      adopter: null,
    });
  });

  for (const [ours, theirs] of [
    [TENANT, OTHER_TENANT],
    [OTHER_TENANT, TENANT],
  ] as const) {
    describe(ours < theirs ? 'of the first of two tenants' : 'of the second', () => {
      it('workflows: one that the other has paused is paused for the other alone', async () => {
        await store(theirs, '1.0.0');
        await store(ours, '1.0.0');
        const pause = { at: NOW, by: 'key:them', reason: null };
        const held = { pause, revision: null, now: NOW };
        const free = { ...held, pause: null };
        expect(await workflows.setPause(theirs, MODE, 'chain', held)).toBe('done');
        await untouched(database.admin, theirs, async () => {
          expect(await workflows.setPause(ours, MODE, 'chain', free)).toBe('same');
          expect(await workflows.setPause(ours, MODE, 'chain', held)).toBe('done');
          expect(await workflows.setPause(ours, MODE, 'chain', free)).toBe('done');
          expect(await workflows.remove(ours, MODE, 'chain', null, NOW)).toBe('removed');
        });
        expect(await workflows.remove(theirs, MODE, 'chain', null, NOW)).toBe('paused');
      });

      it('workflows: nothing of the other is found, and nothing stands in the way', async () => {
        await store(theirs, '1.0.0');
        expect(await workflows.find(ours, MODE, 'chain')).toBeNull();
        expect(await workflows.findVersion(ours, MODE, 'chain', null)).toBeNull();
        expect((await workflows.list(ours, MODE, {}, PAGE)).items).toEqual([]);
        expect((await workflows.list(ours, MODE, { text: 'chain' }, PAGE)).items).toEqual([]);
        expect((await workflows.listVersions(ours, MODE, 'chain', PAGE)).items).toEqual([]);
        await untouched(database.admin, theirs, async () => {
          expect(await workflows.remove(ours, MODE, 'chain', null, NOW)).toBe('not_found');
          expect(await store(ours, '1.0.0', { createdBy: 'us' })).toBe('stored');
        });
        expect(await workflows.findVersion(ours, MODE, 'chain', '1.0.0')).toMatchObject({
          createdBy: 'us',
        });
      });

      it('workflows: what both have, each changes, shows, deletes and restores for itself', async () => {
        await store(theirs, '1.0.0');
        await store(theirs, '2.0.0');
        await workflows.remove(theirs, MODE, 'chain', null, NOW);
        await untouched(database.admin, theirs, async () => {
          await store(ours, '1.0.0');
          await workflows.remove(ours, MODE, 'chain', null, NOW);
          expect(await store(ours, '1.0.0')).toBe('stored');
        });
        await store(theirs, '2.0.0');
        await untouched(database.admin, theirs, async () => {
          await workflows.remove(ours, MODE, 'chain', null, NOW);
          expect(await store(ours, '1.0.0')).toBe('stored');
          expect(await workflows.find(ours, MODE, 'chain')).toMatchObject({
            version: '1.0.0',
            versionCount: 1,
          });
          expect(await workflows.findVersion(ours, MODE, 'chain', null)).toMatchObject({
            version: '1.0.0',
          });
          const listed = await workflows.listVersions(ours, MODE, 'chain', PAGE);
          expect(listed.items.map(({ version }) => version)).toEqual(['1.0.0']);
        });
      });

      it('connections: nothing of the other is found, and nothing stands in the way', async () => {
        await connect(theirs, 'https://theirs.example.com');
        await operate(theirs, 'select 1');
        const [connection, operation] = [keyOf(ours, 'shop'), keyOf(ours, 'read-it')];
        expect(await connections.find(ours, MODE, 'shop')).toBeNull();
        expect(await connections.findOperation(ours, MODE, 'read-it')).toBeNull();
        expect((await connections.list(ours, MODE, PAGE)).items).toEqual([]);
        expect((await connections.listOperations(ours, MODE, 'shop', PAGE)).items).toEqual([]);
        await untouched(database.admin, theirs, async () => {
          const replaced = await connections.replace(connection, newConnection('x'), 1, NOW);
          expect(replaced.kind).toBe('not_found');
          expect(await connections.remove(connection, UNKNOWN, 1, NOW)).toBe('not_found');
          const changed = await connections.replaceOperation(operation, sql('select 2'), 1, NOW);
          expect(changed.kind).toBe('not_found');
          const unseen = await connections.replaceOperation(operation, sql('select 2'), 7, NOW);
          expect(unseen.kind).toBe('not_found');
          expect(await connections.removeOperation(operation, 'shop', null)).toBe('not_found');
          expect((await connections.createOperation(operation, sql('select 2'), NOW)).kind).toBe(
            'no_connection',
          );
        });
      });

      it('connections: what both have, each changes and deletes for itself, its secrets with it', async () => {
        await connect(theirs, 'https://theirs.example.com');
        await operate(theirs, 'select 1');
        await untouched(database.admin, theirs, async () => {
          const { id } = await connect(ours, 'https://ours.example.com');
          await operate(ours, 'select 2');
          expect(await connections.find(ours, MODE, 'shop')).toMatchObject({
            spec: { base_url: 'https://ours.example.com' },
          });
          expect(await connections.findOperation(ours, MODE, 'read-it')).toMatchObject({
            spec: { statement: 'select 2' },
          });
          const key = keyOf(ours, 'shop');
          const other = newConnection('https://new.example.com', id);
          expect((await connections.replace(key, other, 1, NOW)).kind).toBe('replaced');
          const operation = keyOf(ours, 'read-it');
          const replaced = await connections.replaceOperation(operation, sql('select 3'), 1, NOW);
          expect(replaced.kind).toBe('replaced');
          expect(await connections.removeOperation(operation, 'shop', 2)).toBe('removed');
          expect(await connections.remove(key, id, 2, NOW)).toBe('removed');
        });
      });

      it('executions and approvals: nothing of the other is found or answered', async () => {
        const { execution, approval } = await execute(theirs);
        expect(await access.getExecution(ours, execution)).toBeNull();
        expect((await access.listExecutions(ours, { mode: MODE }, PAGE)).items).toEqual([]);
        expect((await access.listEvents(ours, execution, PAGE)).items).toEqual([]);
        expect((await access.listSteps(ours, execution, PAGE)).items).toEqual([]);
        expect((await access.listApprovals(ours, {}, PAGE)).items).toEqual([]);
        expect(await access.getApproval(ours, approval)).toBeNull();
        await untouched(database.admin, theirs, async () => {
          expect(await answer(ours, approval)).toBe('not_found');
          expect(await access.signal(ours, execution, { kind: 'pause', by: null }, NOW)).toEqual({
            kind: 'not_found',
          });
        });
      });

      it('approvals: where both have one of the same id, each answers its own', async () => {
        const approval = ids.next(NOW);
        await execute(theirs, approval);
        await execute(ours, approval);
        await untouched(database.admin, theirs, async () => {
          expect(await answer(ours, approval)).toBe('stored');
        });
      });
    });
  }

  async function store(
    tenant: string,
    version: keyof typeof programs,
    more: Partial<NewVersion> = {},
  ): Promise<string> {
    const program: Program = programs[version];
    const stored = await workflows.storeVersion({
      tenant,
      mode: MODE,
      workflowId: 'chain',
      version,
      definition: { workflow_id: 'chain', version, description: 'chain', steps: [] },
      definitionHash: `hash of ${version}`,
      program,
      warnings: [],
      report: {},
      runtime: { choice: 'auto', auto: 'engine', reason: 'a test', stepFunctionsProblems: [] },
      createdBy: 'somebody',
      now: NOW,
      expectedRevision: null,
      ...more,
    });
    return stored.kind;
  }

  async function connect(tenant: string, url: string): Promise<NewConnection> {
    await connections.announceSecrets({ tenant, mode: MODE }, [SECRET], NOW);
    const connection: NewConnection = { ...newConnection(url), secrets: { token: SECRET } };
    const created = await connections.create(keyOf(tenant, 'shop'), connection, NOW);
    expect(created.kind).toBe('created');
    return connection;
  }

  async function operate(tenant: string, text: string): Promise<void> {
    const created = await connections.createOperation(keyOf(tenant, 'read-it'), sql(text), NOW);
    expect(created.kind).toBe('created');
  }

  function newConnection(url: string, id = ids.next(NOW)): NewConnection {
    return { id, spec: { type: 'http', base_url: url, auth: { scheme: 'none' } }, secrets: {} };
  }

  /** An execution with a step and a question about it. */
  async function execute(tenant: string, approval = ids.next(NOW)): Promise<Theirs> {
    const execution = ids.next(Date.now());
    const program = programs['1.0.0'];
    await access.accept({
      ...{ tenant, mode: MODE, id: execution, workflowId: 'chain', version: '1.0.0' },
      ...{ programHash: program.hash, runtime: 'engine', input: {}, rootId: execution },
      ...{ parent: null, depth: 0, retryOf: null, carried: null, labels: {} },
      ...{ correlationId: null, idempotency: null, now: Date.now() },
    });
    await database.admin.query(
      `insert into workflow_steps (tenant_id, execution_id, step, status, attempts)
       values ($1, $2, 'step-1', 'EXECUTING', 1)`,
      [tenant, execution],
    );
    await database.admin.query(
      `insert into approvals (tenant_id, id, execution_id, workflow_id, step, mode, assignees, status,
                              requested_at, due_at)
       values ($1, $2, $3, 'chain', 'step-1', 'live', '{}', 'pending', now(), now() + interval '1 day')`,
      [tenant, approval, execution],
    );
    return { execution, approval };
  }

  async function answer(tenant: string, approval: string): Promise<string> {
    const decision = { decision: 'approved', by: 'ada', comment: null, at: NOW } as const;
    return (await access.answerApproval(tenant, approval, decision)).kind;
  }
});

const keyOf = (tenant: string, name: string) => ({ tenant, mode: MODE, name }) as const;

const sql = (text: string): OperationSpec => ({
  connection: 'shop',
  statement: text,
  access: 'read',
});
