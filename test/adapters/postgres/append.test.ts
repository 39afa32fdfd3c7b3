import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createSilentLog } from '#adapters/local/json-log.ts';
import { prepare, writeTransitions } from '#adapters/postgres/append.ts';
import { createExecutionOwnership } from '#adapters/postgres/ownership.ts';
import { createPartitions } from '#adapters/postgres/partitions.ts';
import { createPlainCodec } from '#adapters/postgres/payload-codec.ts';
import type {
  AcceptRequest,
  AppendRequest,
  ExecutionOwnership,
  LoadedExecution,
} from '#ports/execution-store.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import { chainOf, createTestPlatform, TENANT, type TestPlatform } from '#test/support/platform.ts';

const program = chainOf(1);
const NOW = Date.now();

describeWithPostgres('owning executions', () => {
  let database: TestDatabase;
  let platform: TestPlatform;
  let store: ExecutionOwnership;

  beforeAll(async () => {
    database = await createTestDatabase();
    platform = createTestPlatform({
      url: database.url,
      programs: [program],
      performer: {
        call: () => Promise.reject(new Error('nothing runs here')),
        compensate: () => Promise.reject(new Error('nothing runs here')),
      },
    });
    const pool = database.pool('cloudflow_engine', { max: 6 });
    store = createExecutionOwnership({
      pool,
      codec: createPlainCodec(),
      partitions: createPartitions(pool),
      log: createSilentLog(),
    });
  });
  afterAll(() => platform.close());

  async function accepted(count: number): Promise<string[]> {
    const requests = Array.from({ length: count }, () => platform.request(program));
    await Promise.all(requests.map((request) => platform.access.accept(request)));
    return requests.map((request) => request.id);
  }

  async function owned(owner: string, count = 1): Promise<LoadedExecution[]> {
    const ids = await accepted(count);
    await store.heartbeat(owner, 60_000);
    const loaded = await Promise.all(ids.map((id) => store.claimOne(owner, TENANT, id)));
    return loaded.map((each) => each!);
  }

  function started(loaded: LoadedExecution, more: Partial<AppendRequest> = {}): AppendRequest {
    return {
      tenant: TENANT,
      executionId: loaded.header.id,
      epoch: loaded.epoch,
      events: [
        { seq: 2, at: NOW, event: { type: 'execution_started' } },
        { seq: 3, at: NOW, event: { type: 'step_started', step: 'step-1', config: { a: 1 } } },
      ],
      steps: [
        {
          step: 'step-1',
          status: 'EXECUTING',
          class: null,
          reason: null,
          phase: null,
          attempts: 1,
          startedAt: NOW,
          endedAt: null,
          dueAt: null,
          output: null,
          error: null,
        },
      ],
      execution: {
        status: 'RUNNING',
        phase: null,
        startedAt: NOW,
        endedAt: null,
        output: null,
        error: null,
        compensation: null,
      },
      checkpoint: null,
      consumedSignals: [],
      outbox: [{ topic: 'workflow.events', key: loaded.header.id, payload: { a: 1 } }],
      parentSignal: null,
      childSignals: [],
      now: NOW,
      ...more,
    };
  }

  const eventsOf = async (id: string): Promise<number[]> =>
    (await platform.access.listEvents(TENANT, id, { limit: 100, after: null })).items.map(
      (each) => each.seq,
    );

  it('writes events and projections of many executions together', async () => {
    const all = await owned('a', 60);
    expect(await Promise.all(all.map((each) => store.append(started(each))))).toEqual(
      all.map(() => 'written'),
    );
    const id = all[31]!.header.id;
    expect(await eventsOf(id)).toEqual([1, 2, 3]);
    expect(await platform.access.getExecution(TENANT, id)).toMatchObject({
      status: 'RUNNING',
      owner: 'a',
      epoch: 1,
      startedAt: NOW,
    });
    const steps = await platform.access.listSteps(TENANT, id, { limit: 10, after: null });
    expect(steps.items).toMatchObject([{ step: 'step-1', status: 'EXECUTING', attempts: 1 }]);
  });

  it('fences an old epoch and takes a sequence number once, without harm to neighbours', async () => {
    const all = await owned('b', 40);
    const requests = all.map((each) => started(each));
    requests[5] = started(all[5]!, { epoch: 0 });
    requests[6] = started(all[6]!, { epoch: 7, execution: null });
    requests[20] = started(all[20]!, {
      events: [{ seq: 1, at: NOW, event: { type: 'execution_started' } }],
    });
    const answers = await Promise.all(requests.map((request) => store.append(request)));
    expect(answers.map((each, i) => [i, each]).filter(([, each]) => each !== 'written')).toEqual([
      [5, 'fenced'],
      [6, 'fenced'],
      [20, 'conflict'],
    ]);
    expect(await eventsOf(all[5]!.header.id)).toEqual([1]);
    expect(await eventsOf(all[20]!.header.id)).toEqual([1]);
    expect(await eventsOf(all[21]!.header.id)).toEqual([1, 2, 3]);
    const { rows } = await database.admin.query('select * from outbox where key = $1', [
      all[20]!.header.id,
    ]);
    expect(rows).toHaveLength(1); // of its acceptance
  });

  it('bisects a batch with a row that cannot be written', async () => {
    const all = await owned('c', 40);
    const requests = all.map((each) => started(each));
    const bad = requests[13]!;
    requests[13] = { ...bad, steps: [{ ...bad.steps[0]!, status: 'SLEEPING' as never }] };
    const answers = await Promise.allSettled(requests.map((request) => store.append(request)));
    expect(answers.flatMap((each, i) => (each.status === 'rejected' ? [i] : []))).toEqual([13]);
    expect(await eventsOf(all[13]!.header.id)).toEqual([1]);
    expect(await eventsOf(all[14]!.header.id)).toEqual([1, 2, 3]);
  });

  it('ends an execution: no owner, no checkpoint, no signals left', async () => {
    const [one] = await owned('d');
    const id = one!.header.id;
    await store.append(started(one!, { checkpoint: { seq: 3, state: { some: 'state' } } }));
    expect((await store.reload('d', TENANT, id, 1))?.checkpoint).toEqual({
      seq: 3,
      state: { some: 'state' },
    });
    expect((await store.reload('d', TENANT, id, 1))?.tail).toEqual([]);
    expect((await store.reload('d', TENANT, id, 1, true))?.tail).toHaveLength(3);
    await platform.access.signal(TENANT, id, { kind: 'pause', by: null }, NOW);
    const end = started(one!, {
      events: [{ seq: 4, at: NOW, event: { type: 'execution_completed', output: { x: 1 } } }],
      execution: {
        status: 'COMPLETED',
        phase: null,
        startedAt: NOW,
        endedAt: NOW + 5,
        output: { x: 1 },
        error: null,
        compensation: null,
      },
    });
    expect(await store.append(end)).toBe('written');
    expect(await platform.access.getExecution(TENANT, id)).toMatchObject({
      status: 'COMPLETED',
      owner: null,
      output: { x: 1 },
      endedAt: NOW + 5,
    });
    const loaded = await platform.access.loadExecution(TENANT, id);
    expect(loaded).toMatchObject({ checkpoint: null, signals: [] });
    expect(await platform.access.signal(TENANT, id, { kind: 'pause', by: null }, NOW)).toEqual({
      kind: 'finished',
      status: 'COMPLETED',
    });
  });

  it('claims what is due, once, and bumps the epoch each time', async () => {
    const ids = await accepted(5);
    await store.heartbeat('e', 60_000);
    await store.heartbeat('f', 60_000);
    const claimed = await Promise.all([
      store.claim('e', 100, Date.now()),
      store.claim('f', 100, Date.now()),
    ]);
    const found = claimed.flat().map((each) => each.header.id);
    expect(found.filter((id) => ids.includes(id)).sort()).toEqual([...ids].sort());
    expect(new Set(found).size).toBe(found.length);
    for (const [i, owner] of ['e', 'f'].entries()) {
      for (const each of claimed[i]!) {
        const released = await store.release({
          tenant: TENANT,
          executionId: each.header.id,
          epoch: each.epoch,
          wakeAt: Date.now() + 3_600_000,
          signalCount: each.signalCount,
        });
        expect([owner, released]).toEqual([owner, 'released']);
      }
    }
    expect(await store.claim('e', 100, Date.now())).toEqual([]);
    const again = await store.claimOne('f', TENANT, ids[0]!);
    expect(again?.epoch).toBe(2);
    expect(await store.claimOne('e', TENANT, ids[0]!)).toBeNull();
  });

  it('does not release over a signal that the owner has not seen', async () => {
    const [one] = await owned('g');
    const id = one!.header.id;
    const release = { tenant: TENANT, executionId: id, epoch: 1, wakeAt: null, signalCount: 0 };
    await platform.access.signal(TENANT, id, { kind: 'pause', by: 'ada' }, NOW);
    expect(await store.release(release)).toBe('signalled');
    const [signal] = await store.pendingSignals('g', 10);
    expect(signal).toMatchObject({ executionId: id, signal: { kind: 'pause', by: 'ada' } });
    const consumed = started(one!, { events: [], steps: [], execution: null, outbox: [] });
    expect(await store.append({ ...consumed, consumedSignals: [signal!.id] })).toBe('written');
    expect(await store.pendingSignals('g', 10)).toEqual([]);
    expect(await store.release({ ...release, signalCount: 1 })).toBe('released');
    expect(await store.release({ ...release, epoch: 0, signalCount: 1 })).toBe('fenced');
    // Parked without a time: the next signal makes it due.
    expect(await store.claim('g', 10, Date.now())).toEqual([]);
    await platform.access.signal(TENANT, id, { kind: 'resume', by: 'ada' }, NOW);
    expect((await store.claim('g', 10, Date.now())).map((each) => each.header.id)).toEqual([id]);
  });

  it('takes over what a process with a stale lease had, and fences it', async () => {
    const [one] = await owned('h');
    await store.heartbeat('i', 60_000);
    expect(await store.takeOver('i', 100)).toEqual([]);
    await store.resign('h');
    const taken = await store.takeOver('i', 100);
    expect(taken.map((each) => [each.header.id, each.epoch])).toEqual([[one!.header.id, 2]]);
    expect(await store.append(started(one!))).toBe('fenced');
    expect(await store.append(started(taken[0]!))).toBe('written');
    expect(await store.heartbeat('h', 60_000)).toBe(false);
  });

  describe('a child whose step stops waiting', () => {
    const cancel = {
      kind: 'cancel',
      by: null,
      compensate: null,
      reason: 'the step timed out',
    } as const;

    async function waitingParent(owner: string): Promise<LoadedExecution> {
      const [parent] = await owned(owner);
      expect(await store.append(started(parent!))).toBe('written');
      return parent!;
    }
    const childOf = (parent: LoadedExecution, more: Partial<AcceptRequest> = {}) =>
      platform.request(program, {
        parent: { executionId: parent.header.id, step: 'step-1' },
        depth: 1,
        ...more,
      });
    const givesUp = (parent: LoadedExecution): AppendRequest => {
      const error = { code: 'CloudFlow.Timeout', message: 'too late' };
      const base = started(parent);
      return {
        ...base,
        events: [
          { seq: 4, at: NOW, event: { type: 'step_failed', step: 'step-1', error, attempts: 1 } },
        ],
        steps: base.steps.map((step) => ({ ...step, status: 'FAILED', class: 'F', error })),
        execution: null,
        childSignals: [{ step: 'step-1', signal: cancel }],
      };
    };
    const signalsOf = async (id: string) =>
      (await platform.access.loadExecution(TENANT, id))?.signals.map(({ signal }) => signal);
    /** Both are asked; neither has the lock that the other session holds. */
    const blocked = () =>
      expect
        .poll(async () => {
          const { rows } = await database.admin.query(
            `select from pg_stat_activity where datname = current_database()
             and cardinality(pg_blocking_pids(pid)) > 0`,
          );
          return rows.length;
        })
        .toBe(1);

    it('is told, on either runtime, parked or not, and only while it runs', async () => {
      const parent = await waitingParent('k');
      const children = {
        engine: childOf(parent),
        machine: childOf(parent, { runtime: 'step_functions' }),
        ended: childOf(parent),
        detached: childOf(parent, { parent: null }),
        other: childOf(parent),
      };
      for (const child of Object.values(children)) {
        expect((await platform.access.accept(child)).kind).toBe('accepted');
      }
      await database.admin.query(
        `update workflow_executions set status = 'COMPLETED', wake_at = null where id = $1`,
        [children.ended.id],
      );
      await database.admin.query(
        `update workflow_executions set parent_step = 'step-2' where id = $1`,
        [children.other.id],
      );
      await database.admin.query('update workflow_executions set wake_at = null where id = $1', [
        children.engine.id,
      ]);
      expect(await store.append(givesUp(parent))).toBe('written');
      expect(await signalsOf(children.engine.id)).toEqual([cancel]);
      expect(await signalsOf(children.machine.id)).toEqual([cancel]);
      for (const { id } of [children.ended, children.detached, children.other]) {
        expect(await signalsOf(id)).toEqual([]);
      }
      const wakeAt = async (id: string) => (await platform.access.getExecution(TENANT, id))?.wakeAt;
      expect(await wakeAt(children.engine.id)).toBe(NOW);
      expect(await wakeAt(children.machine.id)).toBeNull();
      expect((await store.claimOne('k', TENANT, children.engine.id))?.signalCount).toBe(1);
    });

    it('is not started once the step has ended, and its neighbours are', async () => {
      const parent = await waitingParent('l');
      await store.append(givesUp(parent));
      const child = childOf(parent);
      const [late, neighbour] = await Promise.all([
        platform.access.accept(child),
        platform.access.accept(platform.request(program)),
      ]);
      expect(late).toEqual({ kind: 'parent_ended', executionId: child.id });
      expect(neighbour.kind).toBe('accepted');
      expect(await platform.access.getExecution(TENANT, child.id)).toBeNull();
    });

    it('is not started while the end of its step is being written', async () => {
      const parent = await waitingParent('m');
      const child = childOf(parent);
      const client = await database.admin.connect();
      await client.query('begin');
      await writeTransitions(client, createPlainCodec(), [
        prepare(createPlainCodec(), givesUp(parent)),
      ]);
      const answer = platform.access.accept(child);
      await blocked();
      await client.query('commit');
      client.release();
      expect(await answer).toEqual({ kind: 'parent_ended', executionId: child.id });
    });

    it('is told although it was being accepted when its step ended', async () => {
      const parent = await waitingParent('n');
      const child = childOf(parent);
      const client = await database.admin.connect();
      await client.query('begin');
      // What acceptance holds, up to its commit.
      await client.query('select from workflow_steps where execution_id = $1 for share', [
        parent.header.id,
      ]);
      const answer = store.append(givesUp(parent));
      await blocked();
      expect((await platform.access.accept(child)).kind).toBe('accepted');
      await client.query('commit');
      client.release();
      expect(await answer).toBe('written');
      expect(await signalsOf(child.id)).toEqual([cancel]);
    });

    it('is found by its parent even where the plan was made on an empty table', async () => {
      const { admin } = await createTestDatabase();
      await admin.query("select ensure_partitions('2026-11-01', '2026-11-01')");
      const client = await admin.connect();
      try {
        await client.query('begin');
        for (const setting of ['seqscan', 'hashjoin', 'mergejoin']) {
          await client.query(`set local enable_${setting} = off`);
        }
        const { rows } = await client.query<{ 'QUERY PLAN': string }>(
          `explain update workflow_executions e set phase = k.step
           from unnest(array['${TENANT}']::uuid[], array['${TENANT}']::uuid[], array['a'])
                k (tenant_id, id, step)
           where e.tenant_id = k.tenant_id and e.parent_id = k.id and e.parent_step = k.step
             and e.status in ('PENDING', 'RUNNING')`,
        );
        await client.query('rollback');
        const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
        expect(plan).toContain('workflow_executions_202611_tenant_id_parent_id_idx');
      } finally {
        client.release();
      }
    });
  });

  it('tells a parent of its child in the same transaction', async () => {
    const [parent, child] = await owned('j', 2);
    const end = started(child!, {
      events: [{ seq: 2, at: NOW, event: { type: 'execution_cancelled', compensation: 'NONE' } }],
      parentSignal: {
        executionId: parent!.header.id,
        signal: {
          kind: 'child_ended',
          step: 'step-1',
          executionId: child!.header.id,
          status: 'CANCELLED',
          output: null,
          error: null,
        },
      },
    });
    expect(await store.append(end)).toBe('written');
    expect(await store.pendingSignals('j', 10)).toMatchObject([
      { executionId: parent!.header.id, signal: { kind: 'child_ended' } },
    ]);
    expect((await store.reload('j', TENANT, parent!.header.id, 1))?.signalCount).toBe(1);
  });
});
