import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { readMigrations } from '#adapters/postgres/migrate.ts';

/**
 * From 2026-11-22 on a migration never changes: databases that have applied it would refuse to start.
 * A new one is added to the lock together with its file.
 */
it('no migration that databases may have applied has changed or gone', async () => {
  const lock = JSON.parse(
    await readFile(new URL('migrations.lock.json', import.meta.url), 'utf8'),
  ) as Record<string, string>;
  const found = Object.fromEntries(
    (await readMigrations()).map(({ name, checksum }) => [name, checksum]),
  );
  expect(found).toEqual(lock);
});
