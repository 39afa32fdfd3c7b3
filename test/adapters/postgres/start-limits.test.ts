import fc from 'fast-check';
import type { Pool } from 'pg';
import { beforeAll, beforeEach, expect, it } from 'vitest';
import { createIds } from '#adapters/local/ids.ts';
import { createExecutionAccess } from '#adapters/postgres/access.ts';
import { readBacklog } from '#adapters/postgres/backlog.ts';
import { readHeldBacklog } from '#adapters/postgres/held-backlog.ts';
import { letIn } from '#adapters/postgres/let-in.ts';
import { createPartitions } from '#adapters/postgres/partitions.ts';
import { createPlainCodec } from '#adapters/postgres/payload-codec.ts';
import { createStartLimits } from '#adapters/postgres/start-limits.ts';
import type { ExecutionAccess } from '#ports/execution-store.ts';
import type { StartLimitStore } from '#ports/start-limits.ts';
import { createTestDatabase, describeWithPostgres } from '#test/support/database.ts';

const T0 = Date.parse('2027-03-10T00:00:00Z');

describeWithPostgres('limits on starts, counted', () => {
  const ids = createIds();
  let admin: Pool;
  let engine: Pool;
  let app: Pool;
  let executions: ExecutionAccess;
  let limits: StartLimitStore;
  let tenant: string;
  let now: number;

  beforeAll(async () => {
    const database = await createTestDatabase();
    admin = database.admin;
    engine = database.pool('cloudflow_engine');
    app = database.pool('cloudflow_app');
    const partitions = createPartitions(engine);
    await partitions.ensure(T0);
    executions = createExecutionAccess({
      pool: app,
      readers: app,
      codec: createPlainCodec(),
      ids,
      partitions,
      adopter: null,
    });
    limits = createStartLimits(app);
  });
  beforeEach(newTenant);

  async function newTenant(): Promise<void> {
    now = T0;
    tenant = ids.random();
    await admin.query('insert into tenants (id, name, created_at) values ($1, $2, now())', [
      tenant,
      'a tenant',
    ]);
    for (const workflow of ['a', 'b']) {
      await admin.query(
        `insert into workflows (tenant_id, mode, workflow_id, version, runtime, step_count,
           version_count, revision, definition, created_at, updated_at)
         values ($1, 'live', $2, '1.0.0', 'engine', 1, 1, 1, '{}', now(), now())`,
        [tenant, workflow],
      );
    }
  }

  const accept = (
    workflowId: string,
    more: { depth?: number; lookedAtBy?: string; priority?: number } = {},
  ) => {
    const id = ids.next(now);
    return executions.accept({
      ...{ tenant, mode: 'live', id, workflowId, version: '1.0.0', programHash: 'h' },
      ...{ runtime: Math.random() < 0.5 ? 'engine' : 'step_functions', input: {}, rootId: id },
      ...{ parent: null, depth: 0, retryOf: null, carried: null, labels: {} },
      ...{ correlationId: null, idempotency: null, now, ...more },
    });
  };
  const pass = () => letIn(engine, null, now);
  const running = async (workflow: string | null = null): Promise<readonly string[]> => {
    const { rows } = await admin.query<{ id: string }>(
      `select id from workflow_executions where tenant_id = $1 and outcome is null
         and parent_id is null and parent_step is null
         and phase is distinct from 'queued' and ($2::text is null or workflow_id = $2) order by id`,
      [tenant, workflow],
    );
    return rows.map(({ id }) => id);
  };
  const waiting = async (workflow: string | null = null): Promise<number> => {
    const { rows } = await admin.query<{ n: number }>(
      `select count(*)::integer as n from waiting_starts
       where tenant_id = $1 and ($2::text is null or workflow_id = $2)`,
      [tenant, workflow],
    );
    return rows[0]?.n ?? 0;
  };
  /** However one ends: its owner, its machine or a clean-up writes the same. */
  const end = (id: string, status: string) =>
    admin.query(
      `update workflow_executions set status = $3, ended_at = to_timestamp($4)
       where tenant_id = $1 and id = $2`,
      [tenant, id, status, now / 1_000],
    );
  const set = (
    workflow: string | null,
    more: { concurrency?: number; starts?: { count: number; perMs: number } },
  ) =>
    limits.setStartLimits(tenant, 'live', workflow, {
      limits: { concurrency: null, starts: null, maxWaiting: null, ...more },
      revision: null,
      by: 'test',
      now,
    });

  it('whatever starts, ends and dies: never more than the limit, and after a look never fewer than wait', async () => {
    const step = fc.oneof(
      {
        weight: 5,
        arbitrary: fc.record({
          do: fc.constant('start'),
          of: fc.constantFrom('a', 'b'),
          n: fc.integer({ min: 1, max: 5 }),
        }),
      },
      {
        weight: 4,
        arbitrary: fc.record({
          do: fc.constant('end'),
          which: fc.nat(),
          how: fc.constantFrom('COMPLETED', 'FAILED', 'CANCELLED'),
        }),
      },
      {
        weight: 3,
        arbitrary: fc.record({ do: fc.constant('look'), by: fc.integer({ min: 1, max: 3 }) }),
      },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('cancel'), which: fc.nat() }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('die') }) },
      {
        weight: 1,
        arbitrary: fc.record({
          do: fc.constant('child'),
          of: fc.constantFrom('a', 'b'),
          waitedFor: fc.boolean(),
        }),
      },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 6 }),
        fc.array(step, { minLength: 5, maxLength: 25 }),
        async (ofA, ofAll, steps) => {
          await newTenant();
          await set('a', { concurrency: ofA });
          await set(null, { concurrency: ofAll });
          const holds = async () => {
            expect((await running('a')).length).toBeLessThanOrEqual(ofA);
            expect((await running()).length).toBeLessThanOrEqual(ofAll);
          };
          for (const each of steps) {
            now += 1_000;
            if (each.do === 'start' && 'n' in each) {
              await Promise.all(Array.from({ length: each.n }, () => accept(each.of)));
            } else if (each.do === 'end' && 'how' in each) {
              const some = await running();
              const id = some[each.which % Math.max(1, some.length)];
              if (id !== undefined) await end(id, each.how);
            } else if (each.do === 'look' && 'by' in each) {
              await Promise.all(Array.from({ length: each.by }, pass));
            } else if (each.do === 'cancel' && 'which' in each) {
              const held = await executions.listExecutions(
                tenant,
                { held: true },
                { limit: 50, after: null },
              );
              const one = held.items[each.which % Math.max(1, held.items.length)];
              if (one !== undefined) {
                await executions.signal(
                  tenant,
                  one.id,
                  { kind: 'cancel', by: null, compensate: null, reason: null },
                  now,
                );
                await end(one.id, 'CANCELLED');
              }
            } else if (each.do === 'die') {
              // Its engine is gone: another one has it, under another epoch.
              await admin.query(
                `update workflow_executions set owner = $2, epoch = epoch + 1, wake_at = null
                 where tenant_id = $1 and outcome is null and phase is distinct from 'queued'
                   and runtime = 'engine'`,
                [tenant, ids.random()],
              );
            } else if (each.do === 'child' && 'waitedFor' in each) {
              const { kind } = await accept(each.of, {
                ...{ depth: 1, ...(each.waitedFor ? { lookedAtBy: 'undo' } : {}) },
              });
              if (each.waitedFor) expect(kind).toBe('accepted');
            }
            await holds();
          }
          // More than a minute later nothing is uncounted, and one look after another settles.
          now += 61_000;
          for (let looks = 0; looks < 3; looks++) await pass();
          await holds();
          const [a, b, all] = [await running('a'), await running('b'), await running()];
          const [waitA, waitB] = [await waiting('a'), await waiting('b')];
          if (waitA + waitB > 0) {
            const full = all.length === ofAll;
            expect(
              full || (waitB === 0 && a.length === ofA),
              JSON.stringify({ a, b, waitA, waitB }),
            ).toBe(true);
          }
          // And all of it ends: no slot was lost on the way.
          for (
            let rounds = 0;
            rounds < 200 && (await waiting()) + (await running()).length > 0;
            rounds++
          ) {
            now += 1_000;
            for (const id of await running()) await end(id, 'COMPLETED');
            await pass();
          }
          expect([await waiting(), (await running()).length]).toEqual([0, 0]);
        },
      ),
      { seed: 5, numRuns: 25 },
    );
  });

  it('of a rate: within any span no more have begun, whoever let them in', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 20 }),
        fc.array(fc.tuple(fc.integer({ min: 0, max: 4 }), fc.integer({ min: -300, max: 9_000 })), {
          minLength: 4,
          maxLength: 14,
        }),
        async (count, perSeconds, rounds) => {
          await newTenant();
          const perMs = perSeconds * 1_000;
          await set('a', { starts: { count, perMs } });
          now += 61_000;
          await pass();
          for (const [starts, later] of rounds) {
            // Clocks of several machines: the next may be a little behind.
            now = Math.max(T0 + 61_000, now + later);
            await Promise.all(Array.from({ length: starts }, () => accept('a')));
            await pass();
          }
          const { rows } = await admin.query<{ at: number }>(
            `select let_in_at as at from workflow_executions
             where tenant_id = $1 and let_in_at is not null order by 1`,
            [tenant],
          );
          for (const [i, { at }] of rows.entries()) {
            const within = rows.slice(0, i + 1).filter((other) => other.at > at - perMs);
            expect(within.length).toBeLessThanOrEqual(count);
          }
          // None waits longer than it must.
          now = Math.max(now, ...rows.map(({ at }) => at)) + perMs;
          const before = await waiting();
          await pass();
          expect(before - (await waiting())).toBe(Math.min(before, count));
        },
      ),
      { seed: 6, numRuns: 25 },
    );
  });

  it('a limit that comes while others are being accepted counts them all', async () => {
    const early = Array.from({ length: 60 }, () => accept('a'));
    await Promise.race(early);
    await Promise.all([
      ...early,
      set('a', { concurrency: 3 }),
      ...Array.from({ length: 40 }, () => accept('a')),
    ]);
    const began = (await running('a')).length;
    const held = await waiting('a');
    expect(began).toBeGreaterThan(3);
    expect(began + held).toBe(100);
    for (let looks = 0; looks < 5; looks++) await pass();
    expect((await running('a')).length).toBe(began);
    // As many as run beyond the limit must end before the next begins.
    for (const id of (await running('a')).slice(0, Math.max(0, began - 3))) await end(id, 'FAILED');
    await pass();
    expect((await running('a')).length).toBe(held === 0 ? Math.min(began, 3) : 3);
  });

  it('tenants without a limit have nothing in its indexes, and one look is all they pay', async () => {
    await accept('a');
    await accept('b', { priority: 9 });
    const { rows } = await admin.query<{ let_in_at: number | null; priority: number }>(
      'select let_in_at, priority from workflow_executions where tenant_id = $1 order by id',
      [tenant],
    );
    expect(rows).toEqual([
      { let_in_at: null, priority: 0 },
      { let_in_at: null, priority: 9 },
    ]);
    const gates = await admin.query('select from start_gates where tenant_id = $1', [tenant]);
    expect(gates.rowCount).toBe(0);
  });

  it('what waits is measured: how many, how long, how full; what is paused is not late', async () => {
    await admin.query('delete from waiting_starts');
    await limits.setStartLimits(tenant, 'live', 'a', {
      limits: { concurrency: 1, starts: null, maxWaiting: 5 },
      ...{ revision: null, by: 'test', now },
    });
    now += 61_000;
    for (let n = 0; n < 5; n++) await accept('a', { priority: 9 });
    await pass();
    now += 30_000;
    expect(await readHeldBacklog(engine, now)).toMatchObject({
      starts: 4,
      oldestStartSeconds: 30,
      fullestPercent: 80,
      bulkOperations: 0,
      idleBulkSeconds: 0,
    });
    await admin.query(`update start_gates set paused_at = now() where tenant_id = $1`, [tenant]);
    expect(await readHeldBacklog(engine, now)).toMatchObject({ starts: 4, oldestStartSeconds: 0 });
    await admin.query(
      `insert into bulk_operations (tenant_id, id, mode, action, request, created_by, created_at,
         status, most, turn_at)
       select $1, id, 'live', 'cancel', '', 'me', now(), 'RUNNING', 10,
              clock_timestamp() - n * interval '1 hour'
       from unnest($2::uuid[]) with ordinality o (id, n)`,
      [tenant, [ids.next(now), ids.next(now + 1)]],
    );
    const { bulkOperations, idleBulkSeconds } = await readHeldBacklog(engine, now);
    expect(bulkOperations).toBe(2);
    // The second waits for the first, whose turn was an hour ago.
    expect(Math.round(idleBulkSeconds / 60)).toBe(60);
    await admin.query('delete from bulk_operations where tenant_id = $1', [tenant]);
  });

  it('priority makes nobody due for longer, and what is held is not due', async () => {
    await admin.query('delete from waiting_starts');
    await admin.query('delete from workflow_executions');
    await accept('b', { priority: 9 });
    now += 5_000;
    const { engine: due, step_functions: machines } = await readBacklog(engine, now);
    expect([due.due + machines.due, due.oldestSeconds + machines.oldestSeconds]).toEqual([1, 5]);
    await set('b', { concurrency: 1 });
    await accept('b');
    const after = await readBacklog(engine, now);
    expect(after.engine.due + after.step_functions.due).toBe(1);
  });

  it('what runs is found by its index, also among many that have ended', async () => {
    await set('a', { concurrency: 5 });
    await admin.query(
      `insert into workflow_executions
         (tenant_id, id, root_id, depth, workflow_id, version, program_hash, runtime, mode, status,
          input_hash, epoch, created_at, let_in_at)
       select $1, i.id, i.id, 0, 'a', '1.0.0', 'h', 'engine', 'live', 'COMPLETED', 'i', 1,
              to_timestamp($2), to_timestamp($2)
       from unnest($3::uuid[]) i (id)`,
      [tenant, T0 / 1_000, Array.from({ length: 20_000 }, () => ids.next(T0))],
    );
    const client = await admin.connect();
    try {
      const plan = async (since: boolean) => {
        const { rows } = await client.query<{ 'QUERY PLAN': string }>(
          since
            ? `explain (analyze, buffers) select from workflow_executions e
               where e.tenant_id = '${tenant}' and e.mode = 'live' and e.workflow_id = 'a'
                 and e.let_in_at > to_timestamp(${T0 / 1_000 + 60}) limit 5`
            : `explain (analyze, buffers) select from workflow_executions e
               where e.tenant_id = '${tenant}' and e.mode = 'live' and e.workflow_id = 'a'
                 and e.let_in_at is not null and e.outcome is null limit 5`,
        );
        return rows.map((row) => row['QUERY PLAN']).join('\n');
      };
      for (const since of [true, false]) {
        const text = await plan(since);
        const read = [...text.matchAll(/shared hit=(\d+)/g)].map(([, hit]) => Number(hit));
        expect(Math.max(...read), text).toBeLessThan(200);
      }
    } finally {
      client.release();
    }
  });
});
