import { beforeEach, expect, it } from 'vitest';
import { createIds } from '#adapters/local/ids.ts';
import { createJsonLog } from '#adapters/local/json-log.ts';
import { createSystemClock } from '#adapters/local/system-clock.ts';
import { createCommands } from '#adapters/postgres/commands.ts';
import { createPartitions } from '#adapters/postgres/partitions.ts';
import { createPlainCodec } from '#adapters/postgres/payload-codec.ts';
import { createPool } from '#adapters/postgres/pool.ts';
import { COMMANDS_TOPIC } from '#config/topics.ts';
import { parseEvent } from '#core/events/parse.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import { OTHER_TENANT as OTHER, TENANT } from '#test/support/platform.ts';

describeWithPostgres('hints for engines elsewhere', () => {
  let database: TestDatabase;
  let lines: string[];

  beforeEach(async () => {
    database = await createTestDatabase();
    lines = [];
  });
  function open(url = database.url) {
    const clock = createSystemClock();
    const log = createJsonLog({
      write: (line) => void lines.push(line),
      level: 'warn',
      time: () => new Date().toISOString(),
    });
    const pool = createPool({ url, role: 'cloudflow_app', max: 2, name: 'test', log });
    const partitions = createPartitions(pool);
    const commands = createCommands({
      ...{ pool, partitions, clock, log },
      codec: createPlainCodec(),
      ids: createIds(),
    });
    return { ...commands, close: () => pool.end() };
  }
  async function written() {
    const { rows } = await database.admin.query<{
      tenant_id: string;
      topic: string;
      key: string;
      payload: string;
    }>('select tenant_id, topic, key, payload from outbox order by id');
    return rows;
  }

  it('are written to the topic of commands, each under its tenant and in the order of its execution', async () => {
    const { hints, settled, close } = open();
    const ids = createIds();
    const one = ids.next(Date.now());
    const two = ids.next(Date.now());
    const trace = 'Root=1-67890006-aaaaaaaaaaaaaaaaaaaaaaaa;Parent=bbbbbbbbbbbbbbbb;Sampled=1';
    hints.accepted({ tenant: TENANT, executionId: one, runtime: 'engine', trace });
    hints.accepted({ tenant: OTHER, executionId: two, runtime: 'engine' });
    hints.signalled({
      ...{ tenant: TENANT, executionId: one, runtime: 'engine' },
      signal: { kind: 'pause' } as never,
    });
    await settled();
    const rows = await written();
    expect(rows.map(({ tenant_id, topic, key }) => [tenant_id, topic, key]).sort()).toEqual(
      [
        [TENANT, COMMANDS_TOPIC, one],
        [TENANT, COMMANDS_TOPIC, one],
        [OTHER, COMMANDS_TOPIC, two],
      ].sort(),
    );
    const own = rows.filter(({ key }) => key === one).map(({ payload }) => payload.slice(2));
    expect(own.map((text) => JSON.parse(text).payload.reason)).toEqual(['accepted', 'signalled']);
    expect(own.map((text) => JSON.parse(text).metadata.trace)).toEqual([trace, undefined]);
    // An event as any other to whoever relays it, and none of those that readers know.
    for (const text of own) expect(parseEvent(text)).toMatchObject({ kind: 'unknown_type' });
    await close();
  });

  it('for the other runtime write nothing', async () => {
    const { hints, settled, close } = open();
    hints.accepted({
      tenant: TENANT,
      executionId: createIds().random(),
      runtime: 'step_functions',
    });
    await settled();
    expect(await written()).toEqual([]);
    await close();
  });

  it('that cannot be written are logged and hurt nobody', async () => {
    const { hints, settled, close } = open('postgresql://nobody@127.0.0.1:1/nowhere');
    hints.accepted({ tenant: TENANT, executionId: createIds().random(), runtime: 'engine' });
    await settled();
    await close();
    expect(lines.join()).toContain('COMMAND_NOT_SENT');
  });
});
