import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Client } from '#client/client.ts';
import { LIMITS } from '#core/dsl/limits.ts';
import { ERRORS, WARNINGS } from '#test/core/plan/code-cases.ts';
import { call, value, workflow } from '#test/core/plan/definitions.ts';
import { startTestApi, type TestApi } from '#test/support/api.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';

const approval = (id: string, depends_on: readonly string[] = []) => ({
  ...{ id, type: 'approval', depends_on },
  config: { assignee: 'someone', timeout: '1d' },
});
const many = (count: number, more: object = {}) =>
  Array.from({ length: count }, (_, n) => call(`s${n}`, {}, { max_output_bytes: 50, ...more }));
/** What the engine runs and Step Functions cannot. */
const BEYOND_STEP_FUNCTIONS: Readonly<Record<string, readonly unknown[]>> = {
  E_ASL_HISTORY: [
    {
      id: 'l',
      type: 'loop',
      config: { while: '{% $input.more %}', max_iterations: 1_000, steps: many(5) },
    },
  ],
  E_ASL_SIZE: Array.from({ length: 5 }, (_, n) => ({
    id: `g${n}`,
    type: 'group',
    max_output_bytes: 16_000,
    config: { steps: many(95, { when: '{% $input.n > 1 %}' }) },
  })),
  E_ASL_BARRIER_SLOW: [
    approval('a'),
    approval('b'),
    approval('c', ['a']),
    approval('d', ['a', 'b']),
  ],
};

type Told = readonly {
  readonly code: string;
  readonly pointer: string;
  readonly message: string;
}[];

/** Every static check of the language, as whoever posts a definition meets it. */
describeWithPostgres('what is wrong with a definition is told over HTTP', () => {
  let database: TestDatabase;
  let api: TestApi;
  let key: string;
  let client: Client;

  beforeAll(async () => {
    database = await createTestDatabase();
    api = await startTestApi(database);
    key = await api.createKey(await api.createTenant(), ['*']);
    client = api.client(key);
  });
  afterAll(() => api?.close());

  async function post(path: string, document: unknown) {
    const started = performance.now();
    const response = await fetch(`${api.server.url}/api/v1/workflows${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify(document),
    });
    const body = (await response.json()) as Readonly<Record<string, unknown>>;
    return { status: response.status, body, ms: performance.now() - started };
  }

  async function workflows(): Promise<unknown> {
    const { rows } = await database.admin.query(
      'select (select count(*) from workflows) + (select count(*) from workflow_versions) as n',
    );
    return rows[0].n;
  }

  const places = (problems: unknown) =>
    (problems as Told).map(({ code, pointer }) => `${code} ${pointer}`);

  describe.each(Object.entries(ERRORS))('%s', (code, { wrong }) => {
    it.each(wrong.filter(([, document]) => typeof document === 'object'))(
      'is refused: %s',
      async (_, document, pointer) => {
        const before = await workflows();
        const refused = await post('', document);
        expect(refused).toMatchObject({ status: 422, body: { code: 'WORKFLOW_INVALID' } });
        expect(places(refused.body['problems'])).toContain(`${code} ${pointer}`);
        for (const { message } of refused.body['problems'] as Told) expect(message).not.toBe('');
        expect(refused.ms).toBeLessThan(2_000);
        expect(await workflows()).toBe(before);
        const checked = await post('/validate', document);
        expect(checked).toMatchObject({ status: 200, body: { valid: false } });
        expect(places(checked.body['problems'])).toContain(`${code} ${pointer}`);
        expect((await client.listWorkflows()).items).toEqual([]);
      },
    );
  });

  describe.each(Object.entries(WARNINGS))('%s', (code, { wrong }) => {
    it.each(wrong)('is told: %s', async (_, document, pointer) => {
      const checked = await post('/validate', document);
      expect(checked).toMatchObject({ status: 200, body: { valid: true, problems: [] } });
      expect(places(checked.body['warnings'])).toContain(`${code} ${pointer}`);
    });
  });

  it.each(Object.entries(BEYOND_STEP_FUNCTIONS))(
    '%s is an error for Step Functions and the reason of auto for the engine',
    async (code, steps) => {
      const refused = await post('', workflow(steps, { runtime: 'step_functions', output: 1 }));
      expect(refused).toMatchObject({ status: 422, body: { code: 'WORKFLOW_INVALID' } });
      expect((refused.body['problems'] as Told).map((each) => each.code)).toEqual([code]);
      const auto = await post('/validate', workflow(steps, { runtime: 'auto', output: 1 }));
      expect(auto).toMatchObject({ status: 200, body: { valid: true } });
      expect(JSON.stringify(auto.body['report'])).toContain(code);
      expect((await client.listWorkflows()).items).toEqual([]);
    },
  );

  it('all that is wrong comes in one answer, and no more than anybody reads', async () => {
    const steps = [
      value('a', ['nobody']),
      { id: 'b', type: 'shell' },
      { ...value('c'), config: { value: '{% $now() %}' } },
    ];
    const several = await post('', workflow(steps, { stepz: 1 }));
    expect(places(several.body['problems'])).toEqual([
      'E_SCHEMA /stepz',
      'E_UNKNOWN_DEP /steps/0/depends_on/0',
      'E_SCHEMA /steps/1/type',
      'E_EXPR_BANNED_FN /steps/2/config/value',
    ]);
    const endless = await post('', workflow([value('a')], manyUnknown(2_000)));
    const told = endless.body['problems'] as Told;
    expect(told).toHaveLength(LIMITS.problems + 1);
    expect(told.at(-1)?.message).toBe('more problems follow; the first 200 are shown');
  });

  it('a good definition is stored after all that', async () => {
    expect(await post('', workflow([value('a')]))).toMatchObject({ status: 201 });
  });
});

function manyUnknown(count: number): object {
  return Object.fromEntries(Array.from({ length: count }, (_, n) => [`x${n}`, 1]));
}
