import { beforeEach, describe, expect, it } from 'vitest';
import { createIds } from '#adapters/local/ids.ts';
import { createSilentLog } from '#adapters/local/json-log.ts';
import { createExecutionAccess } from '#adapters/postgres/access.ts';
import {
  createBulkWork,
  createPostgresBulkOperations,
} from '#adapters/postgres/bulk-operations.ts';
import { collectSecrets } from '#adapters/postgres/collect-secrets.ts';
import { createCommandedSignals } from '#adapters/postgres/commanded-signals.ts';
import { createDeadLetters } from '#adapters/postgres/dead-letters.ts';
import { createPostgresIdempotencyStore } from '#adapters/postgres/idempotency-store.ts';
import { announceSecrets, leaveSecrets, takeSecrets } from '#adapters/postgres/kept-secrets.ts';
import { createExecutionOwnership } from '#adapters/postgres/ownership.ts';
import { createPartitions } from '#adapters/postgres/partitions.ts';
import { createPlainCodec } from '#adapters/postgres/payload-codec.ts';
import { withTenant } from '#adapters/postgres/pool.ts';
import { listQuarantined } from '#adapters/postgres/quarantine.ts';
import { createExecutionRecorder } from '#adapters/postgres/recorder.ts';
import { createStartLimits } from '#adapters/postgres/start-limits.ts';
import { createStepFunctionsWork } from '#adapters/postgres/step-functions-work.ts';
import { createTaskTokens } from '#adapters/postgres/task-tokens.ts';
import { createPostgresWorkflowStore } from '#adapters/postgres/workflow-store.ts';
import type { ExecutionAccess } from '#ports/execution-store.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
  withoutRowSecurity,
} from '#test/support/database.ts';
import { layDeadLetter } from '#test/support/events.ts';
import { chainOf, OTHER_TENANT, TENANT } from '#test/support/platform.ts';
import { bothTenants, untouched } from '#test/support/two-tenants.ts';

// As statement-walls.test.ts, for what is done with executions. Ids of both are the same where they can be.

const MODE = 'live' as const;
const NOW = 1_700_000_000_000;
const PAGE = { after: null, limit: 100 };
const LIMITS = { concurrency: 3, starts: null, maxWaiting: null };

describeWithPostgres('statements about work, with row-level security switched off', () => {
  let database: TestDatabase;
  let access: ExecutionAccess;
  const ids = createIds();
  const codec = createPlainCodec();
  const same = ids.next(Date.now());

  beforeEach(async () => {
    database = await createTestDatabase();
    await withoutRowSecurity(database);
    await bothTenants(database.admin);
    const pool = database.pool('cloudflow_app');
    access = createExecutionAccess({
      ...{ pool, readers: pool, codec, ids, partitions: createPartitions(pool), adopter: null },
    });
  });

  for (const [ours, theirs] of [
    [TENANT, OTHER_TENANT],
    [OTHER_TENANT, TENANT],
  ] as const) {
    describe(ours < theirs ? 'of the first of two tenants' : 'of the second', () => {
      it('bulk operations: of two with the same id each is seen, counted and ended alone', async () => {
        const bulk = createPostgresBulkOperations({ pool: database.pool('cloudflow_app'), codec });
        const work = createBulkWork({ pool: database.pool('cloudflow_engine'), codec });
        const request = {
          ...{ filter: { mode: MODE }, compensate: null, reason: null, workflows: null },
        } as const;
        const asked = (tenant: string) => ({
          ...({ tenant, mode: MODE, id: same, action: 'cancel', request } as const),
          ...{ createdBy: `user:${tenant}`, createdAt: NOW, most: 10 },
        });
        expect(await bulk.create(asked(theirs), 1)).toBe(true);
        expect(await bulk.find(ours, MODE, same)).toBeNull();
        expect((await bulk.list(ours, MODE, PAGE)).items).toEqual([]);
        await untouched(database.admin, theirs, async () => {
          expect(await bulk.cancel(ours, MODE, same, NOW)).toBeNull();
          // One may be under way, and it is not theirs.
          expect(await bulk.create(asked(ours), 1)).toBe(true);
        });
        expect(await bulk.find(ours, MODE, same)).toMatchObject({ createdBy: `user:${ours}` });
        expect((await bulk.list(ours, MODE, PAGE)).items).toMatchObject([{ tenant: ours }]);
        await database.admin.query('update bulk_operations set epoch = 7');
        await untouched(database.admin, theirs, async () => {
          const mine = await bulk.find(ours, MODE, same);
          if (mine === null) throw new Error('ours is gone');
          const counts = { seen: 1, changed: 1, refused: 0, failed: 0, refusals: [] };
          const progress = { ...counts, position: null, endedAt: null };
          expect(await work.save({ ...mine, epoch: 7 }, progress)).toBe(true);
          expect(await bulk.cancel(ours, MODE, same, NOW)).toMatchObject({ status: 'CANCELLED' });
        });
      });

      it('dead letters: none of the other is found, listed, counted, sent or discarded', async () => {
        const pool = database.pool('cloudflow_app');
        const letters = createDeadLetters({ pool, partitions: createPartitions(pool) });
        const id = await layDeadLetter(database, theirs);
        const scope = { tenant: ours, mode: MODE } as const;
        const any = { status: null, group: null, fingerprint: null };
        const by = { actor: 'user:us', reason: 'seen', now: Date.now() };
        await untouched(database.admin, theirs, async () => {
          expect(await letters.find(scope, id)).toBeNull();
          expect((await letters.list(scope, any, PAGE)).items).toEqual([]);
          expect(await letters.patterns(scope, 10)).toEqual([]);
          expect(await letters.redrive(scope, id, by)).toBeNull();
          expect(await letters.discard(scope, id, by)).toBeNull();
        });
      });

      it('kept answers: of two under the same key each is kept and forgotten alone', async () => {
        const kept = createPostgresIdempotencyStore({
          pool: database.pool('cloudflow_app'),
          codec,
        });
        const asked = (tenant: string) => ({
          ...({ tenant, mode: MODE, key: 'one-key', fingerprint: 'same', now: NOW } as const),
          ...{ leaseMs: 60_000, keptMs: 60_000 },
        });
        for (const tenant of [theirs, ours]) {
          expect((await kept.begin(asked(tenant))).kind).toBe('begun');
        }
        // Attempts are random; here even they are the same.
        const attempt = ids.random();
        await database.admin.query('update idempotency_records set attempt = $1', [attempt]);
        await untouched(database.admin, theirs, () => kept.abandon(asked(ours), attempt));
        expect((await kept.begin(asked(ours))).kind).toBe('begun');
        await database.admin.query('update idempotency_records set attempt = $1', [attempt]);
        const answer = { status: 201, headers: {}, body: { of: ours } };
        await untouched(database.admin, theirs, async () => {
          expect(await kept.finish(asked(ours), attempt, answer)).toBe(true);
        });
        expect(await kept.begin(asked(ours))).toEqual({ kind: 'answered', answer });
        expect((await kept.begin(asked(theirs))).kind).toBe('in_progress');
      });

      it('limits: what the other limits, runs and lets wait holds nothing here', async () => {
        const limits = createStartLimits(database.pool('cloudflow_app'));
        await store(theirs, '1.0.0');
        await accept(theirs, same);
        await store(theirs, '2.0.0', { limits: { concurrency: 2 } });
        const change = { limits: LIMITS, revision: null, by: 'user:them', now: NOW };
        expect(await limits.setStartLimits(theirs, MODE, 'chain', change)).toBe('done');
        await queue(theirs, ids.next(Date.now()));
        const nothing = { declared: null, set: null, revision: 0, running: 0, waiting: 0 };
        expect(await limits.startGate(ours, MODE, 'chain')).toMatchObject(nothing);
        expect(await limits.startGate(ours, MODE, null)).toMatchObject(nothing);
        expect(await limits.runningOf(ours, MODE, 'chain', 10)).toEqual([]);
        await untouched(database.admin, theirs, async () => {
          const mine = { ...change, by: 'user:us' };
          expect(await limits.setStartLimits(ours, MODE, 'chain', mine)).toBe('not_found');
          await store(ours, '1.0.0');
          // The other's highest version says more, and is of the other alone.
          expect(await limits.startGate(ours, MODE, 'chain')).toMatchObject(nothing);
          await accept(ours, same);
          expect(await limits.setStartLimits(ours, MODE, 'chain', mine)).toBe('done');
        });
        expect(await limits.startGate(ours, MODE, 'chain')).toMatchObject({
          ...{ declared: null, set: { by: 'user:us' }, revision: 1, running: 1, waiting: 0 },
        });
        expect(await limits.startGate(ours, MODE, null)).toMatchObject({ running: 1 });
        expect(await limits.runningOf(ours, MODE, 'chain', 10)).toEqual([same]);
      });

      it('limits: of two that wait under the same id each is held by its own', async () => {
        const limits = createStartLimits(database.pool('cloudflow_app'));
        for (const tenant of [theirs, ours]) {
          await store(tenant, '1.0.0');
          await accept(tenant, same);
        }
        await queue(theirs, same, 'other');
        expect(await access.heldStart(ours, same, NOW)).toBeNull();
        expect(await limits.startGate(ours, MODE, null)).toMatchObject({ waiting: 0 });
        await queue(ours, same);
        expect(await limits.startGate(ours, MODE, 'chain')).toMatchObject({ waiting: 1 });
        const pause = { at: NOW, by: 'key:them', reason: null };
        const workflows = workflowStore();
        await workflows.setPause(theirs, MODE, 'chain', { pause, revision: null, now: NOW });
        expect(await access.heldStart(ours, same, NOW)).toMatchObject({ because: 'turn' });
      });

      it('what the engine and the recorder do under the same ids is done to one of them', async () => {
        const pool = database.pool('cloudflow_engine');
        const partitions = createPartitions(pool);
        const ownership = createExecutionOwnership({
          ...{ pool, codec, partitions, log: createSilentLog() },
        });
        for (const tenant of [theirs, ours]) {
          await store(tenant, '1.0.0');
          await accept(tenant, same);
          await ownership.requestApproval({
            ...{ tenant, executionId: same, workflowId: 'chain', step: 'step-1', mode: MODE },
            ...{ assignees: [], message: null, requestedAt: NOW, dueAt: Date.now() + 60_000 },
          });
          await access.signal(tenant, same, { kind: 'pause', by: null }, NOW);
          await database.admin.query(
            `insert into execution_signals (id, tenant_id, execution_id, at, payload)
             overriding system value values (7, $1, $2, now(), '0:{}')`,
            [tenant, same],
          );
        }
        await database.admin.query(
          'update workflow_executions set epoch = case when tenant_id = $1 then 5 else 9 end',
          [ours],
        );
        const asked = { tenant: ours, executionId: same, wakeAt: null, signalCount: 0 };
        const recorder = createExecutionRecorder({
          ...{ pool: database.pool('cloudflow_app'), codec, partitions },
        });
        await untouched(database.admin, theirs, async () => {
          // Nobody of this name owns it: whose epoch it is, is read.
          expect(await ownership.release({ ...asked, epoch: 5 })).toBe('signalled');
          expect(await ownership.release({ ...asked, epoch: 9 })).toBe('fenced');
          await ownership.closeApproval(ours, same, 'step-1', NOW);
          const work = createStepFunctionsWork({ pool, codec });
          const signal = { kind: 'pause', by: null } as const;
          await work.consumed({ tenant: ours, executionId: same, id: '7', signal });
          const seen: number[] = [];
          await recorder
            .record(ours, same, Date.now(), 0, ({ header, tail }) => {
              expect(header.tenant).toBe(ours);
              seen.push(...tail.map(({ seq }) => seq));
              throw new Error('nothing to record');
            })
            .catch((error: Error) => expect(error.message).toBe('nothing to record'));
          expect(seen).toEqual([1]);
        });
      });

      it('limits: of two with the same id the one that waits is listed by its own', async () => {
        for (const tenant of [theirs, ours]) {
          await store(tenant, '1.0.0');
          await accept(tenant, same);
        }
        await queue(theirs, same);
        const held = async (tenant: string) => {
          const page = { after: null, limit: 10 };
          const { items } = await access.listExecutions(tenant, { mode: MODE, held: true }, page);
          return items.map(({ id }) => id);
        };
        expect([await held(ours), await held(theirs)]).toEqual([[], [same]]);
      });

      it('commands: of two with the same id each is heard by itself', async () => {
        const commands = createCommandedSignals({ pool: database.pool('cloudflow_app'), codec });
        const id = ids.random();
        for (const tenant of [theirs, ours]) {
          await store(tenant, '1.0.0');
          await accept(tenant, same);
          const signal = { kind: 'pause', by: null } as const;
          await commands.store({ id, tenant, executionId: same, signal }, NOW);
        }
        expect(await commands.isHeard(ours, id)).toBe(false);
        await database.admin.query('delete from execution_signals where tenant_id = $1', [ours]);
        expect([await commands.isHeard(ours, id), await commands.isHeard(theirs, id)]).toEqual([
          true,
          false,
        ]);
      });

      it('tokens of tasks: of two under the same key each is found and forgotten alone', async () => {
        const tokens = createTaskTokens(database.pool('cloudflow_engine'));
        await tokens.put(theirs, same, 'step-1', 'their-token');
        expect(await tokens.find(ours, same, 'step-1')).toBeNull();
        await tokens.put(ours, same, 'step-1', 'our-token');
        expect(await tokens.find(ours, same, 'step-1')).toBe('our-token');
        await untouched(database.admin, theirs, () => tokens.forget(ours, same));
        expect(await tokens.find(ours, same, 'step-1')).toBeNull();
      });

      it('executions that are set aside: those of the other are not listed', async () => {
        await database.admin.query(
          `insert into quarantined_executions (tenant_id, execution_id, workflow_id, mode, code, reason, at)
           values ($1, $2, 'chain', 'live', 'fold', 'set aside by a test', now())`,
          [theirs, same],
        );
        const asked = { mode: MODE, workflows: null, ...PAGE };
        const pool = database.pool('cloudflow_app');
        expect(await listQuarantined(pool, { tenant: ours, ...asked })).toEqual([]);
        expect(await listQuarantined(pool, { tenant: theirs, ...asked })).toHaveLength(1);
      });

      it('secrets: of two that are kept under the same name each is taken, left and collected alone', async () => {
        const pool = database.pool('cloudflow_app');
        const names = ['one-name'];
        for (const tenant of [theirs, ours]) {
          await withTenant(pool, tenant, (client) =>
            announceSecrets(client, { tenant, mode: MODE }, names, NOW),
          );
        }
        await untouched(database.admin, theirs, async () => {
          await withTenant(pool, ours, async (client) => {
            await takeSecrets(client, { tenant: ours, mode: MODE }, names, 'connection:ours');
            await leaveSecrets(client, { tenant: ours, mode: MODE }, names, NOW + 1_000);
          });
        });
        const deleted: string[] = [];
        const secrets = {
          delete: async ({ tenant }: { readonly tenant: string }) => {
            if (tenant === theirs) throw new Error('theirs cannot be deleted now');
            deleted.push(tenant);
          },
        };
        const collecting = collectSecrets(
          { pool: database.pool('cloudflow_relay'), secrets, ids },
          Date.now(),
        );
        await expect(collecting).rejects.toThrow('1 of 2 secrets');
        expect(deleted).toEqual([ours]);
        const { rows } = await database.admin.query<{ tenant_id: string }>(
          'select tenant_id from connection_secrets',
        );
        expect(rows).toEqual([{ tenant_id: theirs }]);
      });
    });
  }

  const workflowStore = () =>
    createPostgresWorkflowStore({ pool: database.pool('cloudflow_app'), codec, ids });

  async function store(tenant: string, version: string, more: object = {}): Promise<void> {
    const stored = await workflowStore().storeVersion({
      ...{ tenant, mode: MODE, workflowId: 'chain', version },
      definition: { workflow_id: 'chain', version, steps: [] },
      ...{ definitionHash: `hash of ${version}`, program: chainOf(1, { version, ...more }) },
      ...{ warnings: [], report: {}, createdBy: 'somebody', now: NOW, expectedRevision: null },
      runtime: { choice: 'auto', auto: 'engine', reason: 'a test', stepFunctionsProblems: [] },
    });
    expect(stored.kind).toBe('stored');
  }

  async function accept(tenant: string, id: string): Promise<void> {
    await access.accept({
      ...{ tenant, mode: MODE, id, workflowId: 'chain', version: '1.0.0', rootId: id },
      ...{ programHash: chainOf(1).hash, runtime: 'engine', input: {}, parent: null, depth: 0 },
      ...{ retryOf: null, carried: null, labels: {}, correlationId: null, idempotency: null },
      now: Date.now(),
    });
  }

  /** As a start is that waits for room. */
  async function queue(tenant: string, id: string, workflow = 'chain'): Promise<void> {
    await database.admin.query(
      `insert into waiting_starts (tenant_id, execution_id, mode, workflow_id, turn)
       values ($1, $2, 'live', $3, now())`,
      [tenant, id, workflow],
    );
  }
});
