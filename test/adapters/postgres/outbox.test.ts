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
    const [entry] = await readSoon(reader, 'old', 1);
    await reader.commit('g', 'old', entry!);
    const readers = [{ group: 'g', topic: 'old' }];
    const drop = (before: string) => reader.dropBefore(Date.parse(before), readers);
    expect(await drop('2026-11-02T23:00:00Z')).toEqual({ dropped: 1, kept: 0 });
    expect(await reader.read('old', null, 10)).toHaveLength(1);
    expect(await drop('2026-11-03T01:00:00Z')).toEqual({ dropped: 1, kept: 0 });
    expect(await reader.read('old', null, 10)).toEqual([]);
  });

  it('keeps a day of which somebody has not read everything, however old it is, and says so', async () => {
    const reader = createOutboxReader({
      pool: database.pool('cloudflow_relay'),
      codec: createPlainCodec(),
    });
    const pool = database.pool('cloudflow_engine');
    await pool.query(`select ensure_partitions('2026-11-02', '2026-11-02')`);
    for (const [topic, key] of [
      ['read', 'a'],
      ['waits', 'b'],
      ['waits', 'c'],
    ]) {
      await database.admin.query(insert, [topic, key, '0:1']);
    }
    const [a] = await readSoon(reader, 'read', 1);
    const [b, c] = await readSoon(reader, 'waits', 2);
    const drop = (...groups: readonly (readonly [string, string])[]) =>
      reader.dropBefore(
        Date.parse('2027-11-02T00:00:00Z'),
        groups.map(([group, topic]) => ({ group, topic })),
      );
    const all = [
      ['relay', 'read'],
      ['relay', 'waits'],
    ] as const;
    // Days of before and after hold nothing, and go.
    expect(await drop(...all)).toMatchObject({ kept: 1 });
    await reader.commit('relay', 'read', a!);
    await reader.commit('relay', 'waits', b!);
    expect(await drop(...all)).toEqual({ dropped: 0, kept: 1 });
    expect(await drop(...all, ['another', 'read'])).toEqual({ dropped: 0, kept: 1 });
    expect(await reader.read('waits', b!, 10)).toEqual([c]);
    await expect(drop()).rejects.toThrow('name for each topic a group');
    await reader.commit('relay', 'waits', c!);
    expect(await drop(...all)).toEqual({ dropped: 1, kept: 0 });
  });
});
