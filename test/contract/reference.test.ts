import { readFileSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { EXAMPLES, type Example } from '#contract/examples.ts';
import { apiReference } from '#contract/reference.ts';
import { type OperationId, operationIds, routeOf, routes } from '#contract/routes.ts';
import { createChecks } from '#contract/validate.ts';
import { checkWorkflow } from '#core/check-workflow.ts';
import type { OperationSpec } from '#core/connections.ts';
import { checkOperation } from '#core/operations.ts';

const checks = createChecks(routes);
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

it('every link of the reference leads to a shape, and every shape is linked', () => {
  const text = apiReference();
  const links = new Set([...text.matchAll(/\]\(#(\w+)\)/g)].map(([, name]) => name));
  const shapes = text.slice(text.indexOf('## Shapes'), text.indexOf('## Permissions'));
  const titles = [...shapes.matchAll(/^### (\w+)$/gm)].map(([, name]) => name?.toLowerCase());
  expect([...links].sort()).toEqual(titles.filter((name) => name !== 'problemdetails').sort());
});

it.each(Object.entries(EXAMPLES) as [OperationId, Example<OperationId>][])(
  'the example of %s is a good request',
  (id, { params = {}, query = {}, body }) => {
    expect(() =>
      checks.parse(id, { params, query: query as Record<string, unknown>, body }),
    ).not.toThrow();
    expect(JSON.stringify(body) ?? '').not.toContain("'");
  },
);

it('the example of a definition is one, and so is that of an operation', () => {
  const checked = checkWorkflow(EXAMPLES.createWorkflow?.body);
  expect(checked).toMatchObject({ ok: true, warnings: [] });
  const operation = { connection: 'crm', ...EXAMPLES.createOperation?.body } as OperationSpec;
  expect(checkOperation(operation)).toEqual([]);
});
