import { beforeEach, expect, it } from 'vitest';
import { createIds } from '#adapters/local/ids.ts';
import { createSilentLog } from '#adapters/local/json-log.ts';
import { createSystemClock } from '#adapters/local/system-clock.ts';
import { createDeadLetterBox, createDeadLetters } from '#adapters/postgres/dead-letters.ts';
import { createPartitions } from '#adapters/postgres/partitions.ts';
import { createPlainCodec } from '#adapters/postgres/payload-codec.ts';
import { createProjections } from '#adapters/postgres/projections.ts';
import { CONSUMERS, type ConsumerName, consumerNames, DUE_MS } from '#config/consumers.ts';
import { NO_MAIL } from '#functions/shared/consumers.ts';
import { isUnavailable } from '#functions/shared/unavailable.ts';
import { NO_CACHE } from '#ports/cache.ts';
import type { LogBatch } from '#ports/event-log.ts';
import { NO_METRICS } from '#ports/metrics.ts';
import { NO_TRACER } from '#ports/tracer.ts';
import { createForgetting } from '#services/caches/forget-changed.ts';
import { createConsumer } from '#services/events/consume.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import { aBatch, anExecutionEvent } from '#test/support/events.ts';
import { OTHER_TENANT, TENANT } from '#test/support/platform.ts';

const TOPIC = 'workflow.events';
const SCOPE = { tenant: TENANT, mode: 'live' } as const;
const ALL = { status: null, group: null, fingerprint: null } as const;
const PAGE = { after: null, limit: 50 } as const;

describeWithPostgres('readers of events', () => {
  let database: TestDatabase;
  let consumers: Record<ConsumerName, (batch: LogBatch) => Promise<number>>;
  let slept: number[];
  const real = createSystemClock();

  beforeEach(async () => {
    database = await createTestDatabase();
    slept = [];
    // Pauses between tries are told and not slept.
    const clock = {
      ...real,
      now: () => real.now(),
      after(ms: number, callback: () => void) {
        slept.push(ms);
        return real.after(0, callback);
      },
    };
    const pool = database.pool('cloudflow_relay');
    const projections = {
      ...createProjections({ pool, clock }),
      'cache-invalidation': createForgetting(NO_CACHE),
      mail: NO_MAIL,
    };
    const deadLetters = createDeadLetterBox({
      pool,
      codec: createPlainCodec(),
      partitions: createPartitions(pool),
      ids: createIds(),
    });
    consumers = Object.fromEntries(
      consumerNames.map((name) => [
        name,
        createConsumer({
          spec: CONSUMERS[name],
          projection: projections[name],
          deadLetters,
          isUnavailable,
          clock,
          log: createSilentLog(),
          metrics: NO_METRICS,
          tracer: NO_TRACER,
        }),
      ]),
    ) as typeof consumers;
  });

  const letters = () =>
    createDeadLetters({
      pool: database.pool('cloudflow_app'),
      partitions: createPartitions(database.pool('cloudflow_app')),
    });
  const tableOf = async (table: string, columns: string): Promise<unknown[]> =>
    (await database.admin.query(`select ${columns} from ${table} order by 1, 2, 3, 4`)).rows;
  const state = async () => ({
    days: await tableOf(
      'execution_days',
      `tenant_id, mode, day::text, workflow_id, created::int, started::int, completed::int,
       failed::int, cancelled::int, duration_ms::int`,
    ),
    use: await tableOf('usage_records', 'execution_id, tenant_id, kind, quantity::int'),
    audit: await tableOf('audit_inbox', 'id, tenant_id, part, entry'),
    letters: await tableOf('dead_letters', 'event_id, consumer_group, status, attempts'),
  });

  it('count, bill and tell each event once, also when a whole topic comes again and shuffled', async () => {
    const events = [
      anExecutionEvent('workflow.execution.created', { status: 'PENDING' }),
      anExecutionEvent('workflow.execution.started', { status: 'RUNNING' }),
      anExecutionEvent('workflow.execution.completed'),
      anExecutionEvent('workflow.execution.completed', { mode: 'test' }),
      anExecutionEvent('workflow.execution.failed', {
        status: 'FAILED',
        error: { code: 'CloudFlow.Timeout', message: 'said by a tenant' },
      }),
      anExecutionEvent('workflow.execution.cancelled', {}, { tenant_id: OTHER_TENANT }),
    ];
    for (const name of ['analytics', 'billing', 'audit-events'] as const) {
      expect(await consumers[name](aBatch(TOPIC, events))).toBe(6);
    }
    const once = await state();
    expect(once.days).toEqual([
      expect.objectContaining({
        tenant_id: TENANT,
        mode: 'live',
        day: '2026-11-02',
        workflow_id: 'order',
        created: 1,
        started: 1,
        completed: 1,
        failed: 1,
        cancelled: 0,
        duration_ms: 2_400,
      }),
      expect.objectContaining({ tenant_id: TENANT, mode: 'test', completed: 1, failed: 0 }),
      expect.objectContaining({ tenant_id: OTHER_TENANT, cancelled: 1, completed: 0 }),
    ]);
    expect(once.use).toHaveLength(4);
    const told = once.audit.map((row) => JSON.parse((row as { entry: string }).entry).facts);
    expect(told.map(({ operation }) => operation).sort()).toEqual([
      'executionCancelled',
      'executionFailed',
    ]);
    expect(told.find(({ operation }) => operation === 'executionFailed')).toMatchObject({
      actor: 'platform',
      code: 'CloudFlow.Timeout',
      outcome: 'done',
    });
    // What a tenant's step said is not evidence of who did what.
    expect(JSON.stringify(told)).not.toContain('said by a tenant');

    const again = [...events, ...events.toReversed()];
    for (const name of ['analytics', 'billing', 'audit-events'] as const) {
      expect(await consumers[name](aBatch(TOPIC, again))).toBe(12);
    }
    expect(await state()).toEqual(once);
  });

  it('lay one aside that cannot be used after four tries, and go on with its neighbours', async () => {
    const poison = anExecutionEvent('workflow.execution.completed', { workflow_id: 'a\u0000b' });
    const good = Array.from({ length: 7 }, () => anExecutionEvent('workflow.execution.completed'));
    const batch = aBatch(TOPIC, [...good.slice(0, 3), poison, ...good.slice(3)]);
    expect(await consumers.billing(batch)).toBe(8);
    expect(slept).toEqual([250, 1_000, 4_000]);
    expect((await state()).use).toHaveLength(7);
    // The other groups know nothing of it.
    expect(await consumers['audit-events'](batch)).toBe(8);

    const { items } = await letters().list(SCOPE, ALL, PAGE);
    expect(items).toEqual([
      expect.objectContaining({
        group: 'billing',
        topic: TOPIC,
        eventId: poison.event_id,
        eventType: 'workflow.execution.completed',
        error: { name: 'error', code: '22021' },
        attempts: 4,
        critical: true,
        status: 'open',
        redrivable: true,
      }),
    ]);
    const [letter] = items;
    expect(letter!.dueAt - letter!.firstAt).toBe(DUE_MS.critical);
    const { rows } = await database.admin.query(
      "select payload from outbox where topic = 'dead-letter-queue'",
    );
    expect(rows).toHaveLength(1);
    expect(rows[0].payload).toContain('dead_letter.laid_aside');
    // News for people, without what the message said.
    expect(rows[0].payload).not.toContain('a\\u0000b');
  });

  it('lay what is no event aside at once, by what is wrong with it', async () => {
    const { payload: _payload, ...headless } = anExecutionEvent('workflow.execution.completed');
    const wrong = anExecutionEvent('workflow.execution.completed', { runtime: 'elsewhere' });
    const good = anExecutionEvent('workflow.execution.completed');
    expect(await consumers.analytics(aBatch(TOPIC, ['{"half', headless, wrong, good]))).toBe(4);
    expect(slept).toEqual([]);
    const { items } = await letters().list(SCOPE, ALL, PAGE);
    expect(items.map(({ error, redrivable }) => [error.code, redrivable])).toEqual([
      ['EVENT_INVALID', false],
      ['EVENT_INVALID', false],
      ['EVENT_INVALID', false],
    ]);
    expect(items[0]!.dueAt - items[0]!.firstAt).toBe(DUE_MS.other);
    expect((await state()).days).toEqual([expect.objectContaining({ completed: 1 })]);
  });

  it('pass over events of types that they do not know', async () => {
    const strange = { ...anExecutionEvent('workflow.execution.started'), event_type: 'new.thing' };
    expect(await consumers.analytics(aBatch(TOPIC, [strange]))).toBe(1);
    expect((await state()).letters).toEqual([]);
  });

  it('lay nothing aside while the database is away: what was not done comes again', async () => {
    const events = [1, 2].map(() => anExecutionEvent('workflow.execution.completed'));
    const away = Object.assign(new Error('the server is shutting down'), { code: '57P01' });
    const consumer = createConsumer({
      spec: CONSUMERS.billing,
      projection: {
        async apply() {
          throw away;
        },
      },
      deadLetters: {
        async lay() {
          throw new Error('must not be asked');
        },
      },
      isUnavailable,
      clock: real,
      log: createSilentLog(),
      metrics: NO_METRICS,
      tracer: NO_TRACER,
    });
    expect(await consumer(aBatch(TOPIC, events))).toBe(0);
    expect(await consumer(aBatch(TOPIC, events.slice(1)))).toBe(0);
  });

  it('list undos that were not finished beside them, once', async () => {
    const event = anExecutionEvent('workflow.execution.compensation_incomplete', {
      status: 'FAILED',
      compensation: 'PARTIAL',
    });
    const batch = aBatch('dead-letter-queue', [event, event]);
    expect(await consumers['dead-letters'](batch)).toBe(2);
    expect(await consumers['dead-letters'](batch)).toBe(2);
    const { items } = await letters().list(SCOPE, ALL, PAGE);
    expect(items).toEqual([
      expect.objectContaining({
        eventType: 'workflow.execution.compensation_incomplete',
        error: { name: 'CompensationIncomplete', code: 'COMPENSATION_INCOMPLETE' },
        critical: true,
        redrivable: false,
      }),
    ]);
  });

  it('group dead letters by their cause, send them again, and let them be', async () => {
    const poison = () =>
      anExecutionEvent('workflow.execution.completed', { workflow_id: 'a\u0000b' });
    const first = poison();
    await consumers.billing(aBatch(TOPIC, [first, poison()]));
    await consumers.billing(aBatch(TOPIC, ['no event']));
    const box = letters();
    const patterns = await box.patterns(SCOPE, 10);
    expect(patterns.map(({ open, error }) => [open, error.code])).toEqual([
      [2, '22021'],
      [1, 'EVENT_INVALID'],
    ]);
    const { fingerprint } = patterns[0]!;
    const { items } = await box.list(SCOPE, { ...ALL, fingerprint }, PAGE);
    expect(items).toHaveLength(2);
    const by = { actor: 'user:ada', reason: 'mended', now: Date.now() };
    const letter = items.find(({ eventId }) => eventId === first.event_id)!;
    expect(await box.redrive(SCOPE, letter.id, by)).toMatchObject({
      status: 'redriven',
      closedBy: 'user:ada',
      reason: 'mended',
    });
    const sent = await database.admin.query(
      "select key, payload from outbox where topic = 'workflow.events'",
    );
    expect(sent.rows).toHaveLength(1);
    expect(JSON.parse(sent.rows[0].payload.slice(2)).event_id).toBe(first.event_id);
    // A second one sends nothing.
    expect(await box.redrive(SCOPE, letter.id, by)).toMatchObject({ status: 'redriven' });
    expect(
      (await database.admin.query("select 1 from outbox where topic = 'workflow.events'")).rowCount,
    ).toBe(1);
    // It fails again: it is open again, and its tries are counted on.
    await consumers.billing(aBatch(TOPIC, [first]));
    expect(await box.find(SCOPE, letter.id)).toMatchObject({
      status: 'open',
      attempts: 8,
      closedBy: null,
    });
    expect(await box.discard(SCOPE, letter.id, by)).toMatchObject({ status: 'discarded' });
    expect(await box.find({ tenant: OTHER_TENANT, mode: 'live' }, letter.id)).toBeNull();
    expect(await box.find({ tenant: TENANT, mode: 'test' }, letter.id)).toBeNull();
    expect(await box.redrive({ tenant: OTHER_TENANT, mode: 'live' }, letter.id, by)).toBeNull();
    const invalid = await box.list(SCOPE, { ...ALL, fingerprint: patterns[1]!.fingerprint }, PAGE);
    // What was no JSON cannot be sent again.
    expect(await box.redrive(SCOPE, invalid.items[0]!.id, by)).toMatchObject({ status: 'open' });
  });
});
