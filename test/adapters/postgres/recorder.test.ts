import { afterAll, beforeAll, expect, it } from 'vitest';
import { createIds } from '#adapters/local/ids.ts';
import { createPartitions } from '#adapters/postgres/partitions.ts';
import { createPlainCodec } from '#adapters/postgres/payload-codec.ts';
import { createQuarantine } from '#adapters/postgres/quarantine.ts';
import { createExecutionRecorder } from '#adapters/postgres/recorder.ts';
import type { ExecutionEvent } from '#core/execution/events.ts';
import type { ExecutionRecorder, Recording } from '#ports/execution-store.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import {
  chainOf,
  createTestPlatform,
  OTHER_TENANT,
  TENANT,
  type TestPlatform,
} from '#test/support/platform.ts';

const program = chainOf(1);
const only = (...events: ExecutionEvent[]): Recording => ({
  at: Date.now(),
  events,
  steps: [],
  execution: null,
  outbox: [],
  parentSignal: null,
  childSignals: [],
});

describeWithPostgres('recording from outside', () => {
  let database: TestDatabase;
  let platform: TestPlatform;
  let recorder: ExecutionRecorder;

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
    const pool = database.pool('cloudflow_app', { max: 8 });
    recorder = createExecutionRecorder({
      pool,
      codec: createPlainCodec(),
      partitions: createPartitions(pool),
    });
  });
  afterAll(() => platform.close());

  const accept = async (): Promise<string> => {
    const request = platform.request(program, { runtime: 'step_functions' });
    await platform.access.accept(request);
    return request.id;
  };

  it('is never claimed by an engine', async () => {
    const id = await accept();
    expect((await platform.access.getExecution(TENANT, id))?.wakeAt).toBeNull();
    await platform.access.signal(TENANT, id, { kind: 'pause', by: null }, 0);
    expect((await platform.access.getExecution(TENANT, id))?.wakeAt).toBeNull();
    expect(await platform.deps.store.claimOne('a', TENANT, id)).toBeNull();
  });

  it('is refused while the execution is set aside, and goes on when it is released', async () => {
    const id = await accept();
    const quarantine = createQuarantine({
      ...{ pool: database.pool('cloudflow_auditor'), ids: createIds() },
    });
    const found = { code: 'FOLD_DIFFERS', reason: 'it contradicts itself', at: Date.now() };
    expect(await quarantine.setAside({ tenant: TENANT, executionId: id }, found)).toBe(true);
    const started = () =>
      recorder.record(TENANT, id, Date.now(), 0, () => only({ type: 'execution_started' }));
    await expect(started()).rejects.toMatchObject({ code: 'EXECUTION_QUARANTINED' });
    const length = async () => {
      const page = await platform.access.listEvents(TENANT, id, { limit: 9, after: null });
      return page.items.length;
    };
    expect(await length()).toBe(1);
    // Its neighbours of the same moment are none of its business.
    const other = await accept();
    const reports = [started(), recorder.record(TENANT, other, Date.now(), 0, () => only())];
    expect((await Promise.allSettled(reports)).map(({ status }) => status)).toEqual([
      ...['rejected', 'fulfilled'],
    ]);
    expect(await platform.access.releaseQuarantined(TENANT, id, Date.now())).toBe(true);
    expect(await started()).toHaveLength(1);
    expect(await length()).toBe(2);
  });

  it('gives numbers without gaps to reports that come all at once, each once', async () => {
    const id = await accept();
    const reports = Array.from({ length: 24 }, (_, i) =>
      recorder.record(TENANT, id, Date.now(), 0, ({ tail }) => {
        const step = `s-${i % 8}`;
        const known = tail.some(({ event }) => 'step' in event && event.step === step);
        return known ? only() : only({ type: 'step_started', step, config: i });
      }),
    );
    const added = (await Promise.all(reports)).flatMap((each) => each ?? []);
    expect(added.map((each) => each.seq).sort((a, b) => a - b)).toEqual([2, 3, 4, 5, 6, 7, 8, 9]);
    const { items } = await platform.access.listEvents(TENANT, id, { limit: 50, after: null });
    expect(items.map((each) => each.seq)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('shows what its caller has not read, and numbers go on from there', async () => {
    const id = await accept();
    const seen: number[][] = [];
    for (const after of [0, 1, 2, 2]) {
      await recorder.record(TENANT, id, Date.now(), after, ({ tail }) => {
        seen.push(tail.map(({ seq }) => seq));
        return only({ type: 'step_started', step: `s-${seen.length}`, config: null });
      });
    }
    expect(seen).toEqual([[1], [2], [3], [3, 4]]);
    const { items } = await platform.access.listEvents(TENANT, id, { limit: 50, after: null });
    expect(items.map((each) => each.seq)).toEqual([1, 2, 3, 4, 5]);
  });

  it('shows what is recorded already, and writes projections with it', async () => {
    const id = await accept();
    const now = Date.now();
    await recorder.record(TENANT, id, now, 0, () => only({ type: 'execution_started' }));
    const added = await recorder.record(TENANT, id, now, 0, ({ tail, header, status }) => {
      expect(tail.map((each) => each.event.type)).toEqual([
        'execution_created',
        'execution_started',
      ]);
      expect([header.id, status]).toEqual([id, 'PENDING']);
      return {
        ...only({ type: 'execution_completed', output: { n: 1 } }),
        execution: {
          status: 'COMPLETED',
          phase: null,
          startedAt: now,
          endedAt: now + 1,
          output: { n: 1 },
          error: null,
          compensation: null,
        },
      };
    });
    expect(added).toHaveLength(1);
    expect(await platform.access.getExecution(TENANT, id)).toMatchObject({
      status: 'COMPLETED',
      output: { n: 1 },
      endedAt: now + 1,
    });
  });

  it('waits for the lock of one execution with one session, and leaves the pool to others', async () => {
    const [id, other] = [await accept(), await accept()];
    const holder = await database.admin.connect();
    await holder.query('begin');
    await holder.query('set local idle_in_transaction_session_timeout = 0');
    await holder.query('select from workflow_executions where id = $1 for update', [id]);
    const started = (step: string) => only({ type: 'step_started', step, config: null });
    const waiting = Array.from({ length: 40 }, (_, i) =>
      recorder.record(TENANT, id, Date.now(), 0, ({ tail }) => {
        if (i === 20) throw new Error('cannot decide');
        return started(`s-${tail.length}`);
      }),
    );
    const settled = Promise.allSettled(waiting);
    // Eight sessions are there; those that wait for the lock must not have all of them.
    for (let i = 0; i < 8; i++) {
      await recorder.record(TENANT, other, Date.now(), 0, () => started(`s-${i}`));
    }
    await holder.query('rollback');
    holder.release();
    const ends = await settled;
    expect(ends.map(({ status }) => status).indexOf('rejected')).toBe(20);
    expect(ends.filter(({ status }) => status === 'rejected')).toHaveLength(1);
    const { items } = await platform.access.listEvents(TENANT, id, { limit: 50, after: null });
    expect(items.map((each) => each.seq)).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
    // Each saw what those before it had added.
    expect(items.slice(1).map(({ event }) => 'step' in event && event.step)).toEqual(
      Array.from({ length: 39 }, (_, i) => `s-${i + 1}`),
    );
  });

  it('shows a decision the text of those before it as it is stored', async () => {
    const id = await accept();
    const seen: unknown[] = [];
    await Promise.all(
      [0, 1].map((i) =>
        recorder.record(TENANT, id, Date.now(), 1, ({ tail }) => {
          seen.push(tail.map(({ event }) => 'config' in event && event.config));
          return only({ type: 'step_started', step: `s-${i}`, config: 'a\u0000b' });
        }),
      ),
    );
    expect(seen).toEqual([[], ['a\ufffdb']]);
  });

  it('keeps nothing of a decision that throws, and knows no other tenant', async () => {
    const id = await accept();
    await expect(
      recorder.record(TENANT, id, Date.now(), 0, () => {
        throw new Error('cannot decide');
      }),
    ).rejects.toThrow('cannot decide');
    expect(await recorder.record(OTHER_TENANT, id, Date.now(), 0, () => only())).toBeNull();
  });
});
