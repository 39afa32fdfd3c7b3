import { basename } from 'node:path';
import { expect, it } from 'vitest';
import { REMOVALS, spoilt } from './removals.ts';
import { ACROSS, NEEDLESS, OF_ROWS, STORES } from './tenant-filters.ts';

// Whether a test misses them is what `npm run test:walls` asks; here, that there is something to miss.
it('every check that the script takes away is still where it looks for it', () => {
  for (const removal of REMOVALS) if ('spoil' in removal) expect(spoilt(removal)).not.toBe('');
  const names = REMOVALS.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  expect(names.length).toBeGreaterThan(100);
});

it('every statement on rows of tenants is in a file that asks for one tenant, or says why it asks for none', () => {
  const without = OF_ROWS.filter((file) => !STORES.includes(file));
  expect(without.map((file) => basename(file, '.ts'))).toEqual(Object.keys(ACROSS).sort());
  for (const reason of [...Object.values(ACROSS), ...NEEDLESS.map(({ because }) => because)]) {
    expect(reason).toMatch(/\w+ \w+/);
  }
});
