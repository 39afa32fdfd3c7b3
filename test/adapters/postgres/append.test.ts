import { afterAll, beforeAll, expect, it } from 'vitest';
import { createSilentLog } from '#adapters/local/json-log.ts';
import { createExecutionOwnership } from '#adapters/postgres/ownership.ts';
import { createPartitions } from '#adapters/postgres/partitions.ts';
import { createPlainCodec } from '#adapters/postgres/payload-codec.ts';
import type { AppendRequest, ExecutionOwnership, LoadedExecution } from '#ports/execution-store.ts';
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
