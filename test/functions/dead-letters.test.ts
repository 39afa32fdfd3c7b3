import { afterAll, beforeAll, expect, it } from 'vitest';
import { createIds } from '#adapters/local/ids.ts';
import { createDeadLetterBox } from '#adapters/postgres/dead-letters.ts';
import { createPartitions } from '#adapters/postgres/partitions.ts';
import { createPlainCodec } from '#adapters/postgres/payload-codec.ts';
import type { Client } from '#client/client.ts';
import { derivedIdAt } from '#core/ids.ts';
import { startTestApi, type TestApi } from '#test/support/api.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import { anExecutionEvent } from '#test/support/events.ts';

const MISSING = '01900000-0000-7000-8000-000000000000';

describeWithPostgres('dead letters over the API', () => {
  let database: TestDatabase;
  let api: TestApi;
  let tenant: string;
  let operator: Client;

  beforeAll(async () => {
    database = await createTestDatabase();
    api = await startTestApi(database);
    tenant = await api.createTenant();
    operator = api.client(await api.createKey(tenant, ['dead-letter:*']));
  });
  afterAll(() => api?.close());

  async function lay(n: number, more: { value?: null; mode?: 'test' } = {}): Promise<string> {
    const pool = database.pool('cloudflow_relay');
    const event = anExecutionEvent('workflow.execution.completed', {}, { tenant_id: tenant });
    const id = derivedIdAt(Date.now(), String(n));
    const now = Date.now();
    await createDeadLetterBox({
      pool,
      codec: createPlainCodec(),
      partitions: createPartitions(pool),
      ids: createIds(),
    }).lay({
      id,
      tenant,
      mode: more.mode ?? 'live',
      group: 'billing',
      topic: 'workflow.events',
      key: 'k',
      eventId: event.event_id,
      eventType: event.event_type,
      value: more.value === null ? null : JSON.stringify(event),
      error: { name: 'error', code: '22021' },
      fingerprint: '0123456789abcdef',
      attempts: 4,
      critical: true,
      now,
      dueAt: now + 1_000,
    });
    return id;
  }

  it('shows them without what they said, by page and by cause', async () => {
    const ids = [await lay(1), await lay(2), await lay(3)];
    const page = await operator.listDeadLetters({ query: { limit: 2, group: 'billing' } });
    expect(page.items).toHaveLength(2);
    const rest = await operator.listDeadLetters({
      query: { limit: 2, group: 'billing', cursor: page.next_cursor as string },
    });
    const seen = [...page.items, ...rest.items];
    expect(seen.map(({ dead_letter_id }) => dead_letter_id).sort()).toEqual(ids.sort());
    expect(JSON.stringify(seen)).not.toContain('"order"');
    const { items } = await operator.listDeadLetterPatterns({ query: {} });
    expect(items).toEqual([
      expect.objectContaining({ fingerprint: '0123456789abcdef', group: 'billing', open: 3 }),
    ]);
    const [id] = ids as [string];
    expect(await operator.getDeadLetter({ dead_letter_id: id })).toMatchObject({
      status: 'open',
      redrivable: true,
      event_type: 'workflow.execution.completed',
    });
  });

  it('sends one again, once, and says who did', async () => {
    const id = await lay(4);
    const params = { dead_letter_id: id };
    const sent = await operator.redriveDeadLetter({ ...params, body: { reason: 'mended' } });
    expect(sent).toMatchObject({ status: 'redriven', reason: 'mended' });
    expect(sent.closed_by).toMatch(/^key:/);
    const { rowCount } = await database.admin.query(
      "select 1 from outbox where topic = 'workflow.events'",
    );
    expect(rowCount).toBe(1);
    await expect(operator.redriveDeadLetter({ ...params, body: {} })).rejects.toMatchObject({
      code: 'DEAD_LETTER_CLOSED',
    });
    await expect(
      operator.discardDeadLetter({ ...params, body: { reason: 'no more' } }),
    ).rejects.toMatchObject({ code: 'DEAD_LETTER_CLOSED' });
  });

  it('discards with a reason what cannot be sent', async () => {
    const params = { dead_letter_id: await lay(5, { value: null }) };
    await expect(operator.redriveDeadLetter({ ...params, body: {} })).rejects.toMatchObject({
      code: 'DEAD_LETTER_UNSENDABLE',
    });
    await expect(
      operator.discardDeadLetter({ ...params, body: { reason: ' ' } }),
    ).rejects.toMatchObject({ code: 'REQUEST_INVALID' });
    expect(
      await operator.discardDeadLetter({ ...params, body: { reason: 'no event' } }),
    ).toMatchObject({ status: 'discarded', reason: 'no event' });
  });

  it('are nobody else’s: another tenant, another mode, a key for some workflows, a reader', async () => {
    const params = { dead_letter_id: await lay(6) };
    const stranger = api.client(await api.createKey(await api.createTenant(), ['*']));
    await expect(stranger.getDeadLetter(params)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(stranger.redriveDeadLetter({ ...params, body: {} })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
    const inTest = { dead_letter_id: await lay(7, { mode: 'test' }) };
    await expect(operator.getDeadLetter(inTest)).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
    const reader = api.client(await api.createKey(tenant, ['dead-letter:read']));
    await expect(
      reader.discardDeadLetter({ ...params, body: { reason: 'seen' } }),
    ).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
    await expect(operator.getDeadLetter({ dead_letter_id: MISSING })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
  });
});
