import { beforeAll, expect, it } from 'vitest';
import { type Migration, migrate, readMigrations } from '#adapters/postgres/migrate.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';

const file = (number: number, sql: string, checksum = `sum-${number}`): Migration => ({
  number,
  name: `${number}-test.sql`,
  sql,
  checksum,
});

describeWithPostgres('migrations', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  });

  it('are all applied, and not again', async () => {
    expect((await readMigrations()).length).toBeGreaterThan(5);
    expect(await migrate(database.url)).toEqual([]);
  });

  it('run once when many processes start together', async () => {
    const more = [file(9001, 'create table many_starts (n integer)')];
    const applied = await Promise.all([1, 2, 3, 4].map(() => migrate(database.url, more)));
    expect(applied.flat()).toEqual(['9001-test.sql']);
  });

  it('leave nothing of one that fails, and keep what went before', async () => {
    const more = [
      file(9002, 'create table kept (n integer)'),
      file(9003, 'create table lost (n integer); select 1 / 0'),
      file(9004, 'create table never (n integer)'),
    ];
    await expect(migrate(database.url, more)).rejects.toThrow('9003-test.sql failed');
    const { rows } = await database.admin.query<{ name: string }>(
      "select relname as name from pg_class where relname in ('kept', 'lost', 'never')",
    );
    expect(rows.map((row) => row.name)).toEqual(['kept']);
    const fixed = [more[0]!, file(9003, 'create table lost (n integer)'), more[2]!];
    expect(await migrate(database.url, fixed)).toEqual(['9003-test.sql', '9004-test.sql']);
  });

  it('refuse a file that was changed after it was applied', async () => {
    await migrate(database.url, [file(9005, 'select 1')]);
    await expect(migrate(database.url, [file(9005, 'select 2', 'other')])).rejects.toThrow(
      '9005-test.sql was applied with another text',
    );
  });
});
