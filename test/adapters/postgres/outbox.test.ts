import { beforeAll, expect, it } from 'vitest';
import {
  createOutboxReader,
  type OutboxEntry,
  type OutboxReader,
} from '#adapters/postgres/outbox.ts';
import { createPlainCodec } from '#adapters/postgres/payload-codec.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import { TENANT } from '#test/support/platform.ts';

/**
 * Reads until there are so many: the horizon is the server's, and other files of this run have
 * transactions open in their own databases on it.
 */
async function readSoon(
  reader: OutboxReader,
  topic: string,
  count: number,
): Promise<readonly OutboxEntry[]> {
  for (let look = 0; look < 400; look++) {
    const entries = await reader.read(topic, null, 10);
    if (entries.length >= count) return entries;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  return reader.read(topic, null, 10);
}

describeWithPostgres('the outbox', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
    await database.admin.query("select ensure_partitions('2026-11-01', '2026-11-05')");
  });

  const insert = `insert into outbox (tenant_id, topic, key, at, payload)
                  values ('${TENANT}', $1, $2, '2026-11-02', $3)`;

  it('is read up to the oldest transaction that still runs, so that none is passed', async () => {
    const reader = createOutboxReader({
      pool: database.pool('cloudflow_relay'),
      codec: createPlainCodec(),
    });
    const late = await database.admin.connect();
    await late.query('set idle_in_transaction_session_timeout = 0');
    await late.query('begin');
    await late.query(insert, ['t', 'first', '0:1']);
    await database.admin.query(insert, ['t', 'second', '0:2']);
    expect(await reader.read('t', null, 10)).toEqual([]);
    await late.query('commit');
    late.release(true);
    const entries = await readSoon(reader, 't', 2);
    expect(entries.map((entry) => [entry.key, entry.payload])).toEqual([
      ['first', 1],
      ['second', 2],
    ]);
    expect(await reader.read('t', entries[0]!, 10)).toEqual([entries[1]]);
    expect(await reader.read('other', null, 10)).toEqual([]);
  });

  it('remembers where each group stands, also when it goes back', async () => {
    const reader = createOutboxReader({
      pool: database.pool('cloudflow_relay'),
      codec: createPlainCodec(),
    });
    expect(await reader.offset('g', 't')).toBeNull();
    await reader.commit('g', 't', { xid: '90', id: '7' });
    await reader.commit('g', 't', { xid: '80', id: '6' });
    expect(await reader.offset('g', 't')).toEqual({ xid: '80', id: '6' });
    expect(await reader.offset('h', 't')).toBeNull();
  });

  it('loses whole days, never rows', async () => {
    const reader = createOutboxReader({
      pool: database.pool('cloudflow_relay'),
      codec: createPlainCodec(),
    });
    await database.admin.query(insert, ['old', 'k', '0:1']);
    expect(await reader.dropBefore(Date.parse('2026-11-02T23:00:00Z'))).toBe(1);
    expect(await readSoon(reader, 'old', 1)).toHaveLength(1);
    expect(await reader.dropBefore(Date.parse('2026-11-03T01:00:00Z'))).toBe(1);
    expect(await reader.read('old', null, 10)).toEqual([]);
  });
});
