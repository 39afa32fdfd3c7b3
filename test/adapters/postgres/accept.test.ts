import { afterAll, beforeAll, expect, it } from 'vitest';
import { IDLE_IN_TRANSACTION_MS } from '#adapters/postgres/pool.ts';
import { derivedId, timeOfId } from '#core/ids.ts';
import { createVirtualClock } from '#local/virtual-clock.ts';
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
const START = Date.parse('2026-11-22T12:00:00Z');

describeWithPostgres('accepting an execution', () => {
  let database: TestDatabase;
  let platform: TestPlatform;
  const clock = createVirtualClock({ start: START });

  beforeAll(async () => {
    database = await createTestDatabase();
    platform = createTestPlatform({
      url: database.url,
      clock,
      programs: [program],
      performer: {
        call: () => Promise.reject(new Error('nothing runs here')),
        compensate: () => Promise.reject(new Error('nothing runs here')),
      },
    });
  });
  afterAll(() => platform.close());

  it('writes the row, event 1 and the outbox together, and reads them back', async () => {
    const request = platform.request(program, {
      input: { customer: 'Ada', amount: 12.5 },
      labels: { env: 'prod' },
      correlationId: 'req-1',
    });
    expect(await platform.access.accept(request)).toEqual({
      kind: 'accepted',
      executionId: request.id,
    });
    expect(await platform.access.getExecution(TENANT, request.id)).toMatchObject({
      status: 'PENDING',
      input: { customer: 'Ada', amount: 12.5 },
      labels: { env: 'prod' },
      correlationId: 'req-1',
      createdAt: START,
      epoch: 0,
      wakeAt: START,
    });
    const events = await platform.access.listEvents(TENANT, request.id, { limit: 10, after: null });
    expect(events.items.map((each) => [each.seq, each.at, each.event.type])).toEqual([
      [1, START, 'execution_created'],
    ]);
    const { rows } = await database.admin.query('select topic from outbox where key = $1', [
      request.id,
    ]);
    expect(rows).toEqual([{ topic: 'workflow.events' }]);
  });

  it('answers a repeat of an id with the first, and another input with a conflict', async () => {
    const request = platform.request(program, { input: { n: 1, m: 2 } });
    await platform.access.accept(request);
    const same = { ...request, input: { m: 2, n: 1 } };
    expect((await platform.access.accept(same)).kind).toBe('existing');
    const other = { ...request, input: { n: 2 } };
    expect((await platform.access.accept(other)).kind).toBe('conflict');
    const tenant = { ...request, tenant: OTHER_TENANT, input: { n: 3 } };
    expect((await platform.access.accept(tenant)).kind).toBe('accepted');
  });

  it('gives one execution per idempotency key, also when all come at once', async () => {
    const answers = await Promise.all(
      Array.from({ length: 40 }, () =>
        platform.access.accept(
          platform.request(program, { idempotency: { key: 'order-7', fingerprint: 'f' } }),
        ),
      ),
    );
    expect(new Set(answers.map((each) => each.executionId)).size).toBe(1);
    expect(answers.filter((each) => each.kind === 'accepted')).toHaveLength(1);
    const other = platform.request(program, { idempotency: { key: 'order-7', fingerprint: 'g' } });
    expect(await platform.access.accept(other)).toEqual({
      kind: 'conflict',
      executionId: answers[0]?.executionId,
    });
  });

  it('forgets an idempotency key after its time', async () => {
    const idempotency = { key: 'order-8', fingerprint: 'f' };
    const first = await platform.access.accept(platform.request(program, { idempotency }));
    const now = START + 91 * 86_400_000;
    const again = await platform.access.accept(platform.request(program, { idempotency, now }));
    expect(again.kind).toBe('accepted');
    expect(again.executionId).not.toBe(first.executionId);
  });

  it('takes texts that the database cannot hold, and replaces what it cannot', async () => {
    const request = platform.request(program, {
      input: { nul: 'a\u0000b', lone: '\ud800', pair: '😀' },
      labels: { 'k\u0000': 'v\udc00' },
      correlationId: 'c\u0000',
    });
    expect((await platform.access.accept(request)).kind).toBe('accepted');
    expect((await platform.access.getExecution(TENANT, request.id))?.input).toEqual({
      nul: 'a\ufffdb',
      lone: '\ufffd',
      pair: '😀',
    });
  });

  it('fails one that cannot be written and none of its neighbours', async () => {
    const requests = Array.from({ length: 50 }, () => platform.request(program));
    requests[17] = { ...requests[17]!, depth: 70_000 }; // too large for its column
    requests[18] = { ...requests[18]!, id: 'no id at all' };
    const answers = await Promise.allSettled(requests.map((each) => platform.access.accept(each)));
    expect(answers.map((each) => each.status)).toEqual(
      requests.map((_, i) => (i === 17 || i === 18 ? 'rejected' : 'fulfilled')),
    );
  });

  it('finds a partition for an id of another month, and for a clock that jumped a year', async () => {
    const now = START + 400 * 86_400_000;
    const derived = derivedId(platform.deps.ids.next(START - 70 * 86_400_000), 'child');
    expect(timeOfId(derived)).toBe(START - 70 * 86_400_000);
    const old = platform.request(program, { id: derived });
    const far = platform.request(program, { id: platform.deps.ids.next(now), now });
    expect((await platform.access.accept(old)).kind).toBe('accepted');
    expect((await platform.access.accept(far)).kind).toBe('accepted');
    expect((await platform.access.getExecution(TENANT, far.id))?.createdAt).toBe(now);
  });

  it('keeps sessions that sit in a transaction from holding locks', async () => {
    const pool = database.pool('cloudflow_app', { max: 1 });
    const client = await pool.connect();
    const ended = new Promise((resolve) => client.on('error', resolve));
    await client.query('begin');
    await client.query('select 1');
    await ended; // the server ends it by itself
    client.release(true);
    expect(IDLE_IN_TRANSACTION_MS).toBeLessThan(1_000);
  });
});
