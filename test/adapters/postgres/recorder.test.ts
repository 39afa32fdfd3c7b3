import { afterAll, beforeAll, expect, it } from 'vitest';
import { createPartitions } from '#adapters/postgres/partitions.ts';
import { createPlainCodec } from '#adapters/postgres/payload-codec.ts';
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

  it('gives numbers without gaps to reports that come all at once, each once', async () => {
    const id = await accept();
    const reports = Array.from({ length: 24 }, (_, i) =>
      recorder.record(TENANT, id, Date.now(), () =>
        only({ type: 'step_started', step: `s-${i % 8}`, config: i }),
      ),
    );
    const added = (await Promise.all(reports)).flatMap((each) => each ?? []);
    expect(added.map((each) => each.seq).sort((a, b) => a - b)).toEqual([2, 3, 4, 5, 6, 7, 8, 9]);
    const { items } = await platform.access.listEvents(TENANT, id, { limit: 50, after: null });
    expect(items.map((each) => each.seq)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('shows what is recorded already, and writes projections with it', async () => {
    const id = await accept();
    const now = Date.now();
    await recorder.record(TENANT, id, now, () => only({ type: 'execution_started' }));
    const added = await recorder.record(TENANT, id, now, ({ events, header, status }) => {
      expect(events.map((each) => each.event.type)).toEqual([
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

  it('keeps nothing of a decision that throws, and knows no other tenant', async () => {
    const id = await accept();
    await expect(
      recorder.record(TENANT, id, Date.now(), () => {
        throw new Error('cannot decide');
      }),
    ).rejects.toThrow('cannot decide');
    expect(await recorder.record(OTHER_TENANT, id, Date.now(), () => only())).toBeNull();
  });
});
