import { readFileSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { apiReference } from '#contract/reference.ts';
import { operationIds, routeOf } from '#contract/routes.ts';

const PAGE = new URL('../../docs/api.md', import.meta.url);
const MARK = '<!-- written by lib/contract/reference.ts';

it('docs/api.md says what the contract says', () => {
  const page = readFileSync(PAGE, 'utf8');
  const end = page.indexOf('-->', page.indexOf(MARK)) + '-->'.length;
  expect(end).toBeGreaterThan(MARK.length);
  const wanted = `${page.slice(0, end)}\n\n${apiReference()}`;
  if (process.env['UPDATE_DOCS'] === '1') writeFileSync(PAGE, wanted);
  else expect(page).toBe(wanted);
});

it('the reference names every operation', () => {
  const text = apiReference();
  for (const id of operationIds) {
    const { method, path } = routeOf(id);
    expect(text).toContain(`### \`${method} ${path}\``);
  }
});
