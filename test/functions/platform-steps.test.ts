import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Json } from '#core/json.ts';
import { aDefinition, startTestApi, type TestApi } from '#test/support/api.ts';
import { createTestDatabase, describeWithPostgres } from '#test/support/database.ts';

const operate = (id: string) => ({
  id,
  type: 'platform_operation',
  config: { operation: 'failover.promote', parameters: {} },
});

/** Wherever a step or an undo may stand. */
const ATTEMPTS: readonly Json[] = [
  [operate('a')],
  [{ id: 'a', type: 'group', config: { steps: [operate('b')] } }],
  [{ id: 'a', type: 'for_each', config: { items: [1], steps: [operate('b')] } }],
  [
    {
      id: 'a',
      type: 'loop',
      config: { until: '{% true %}', max_iterations: 1, steps: [operate('b')] },
    },
  ],
  [{ id: 'a', type: 'branch', config: { cases: [{ when: '{% true %}', steps: [operate('b')] }] } }],
  [
    {
      id: 'a',
      type: 'branch',
      config: {
        cases: [
          { when: '{% true %}', steps: [{ id: 'c', type: 'wait', config: { duration: '1s' } }] },
        ],
        else: [operate('b')],
      },
    },
  ],
  [
    {
      id: 'a',
      type: 'transform',
      config: { value: 1 },
      compensate: { type: 'platform_operation', config: { operation: 'failover.promote' } },
    },
  ],
];

describeWithPostgres('what operates the platform, asked for by a tenant', () => {
  let api: TestApi;
  let key: string;
  beforeAll(async () => {
    api = await startTestApi(await createTestDatabase());
    key = await api.createKey(await api.createTenant(), ['*']);
    expect((await post('', aDefinition())).status).toBe(201);
  });
  afterAll(() => api?.close());

  async function send(
    method: string,
    path: string,
    body?: Json,
    headers?: Readonly<Record<string, string>>,
  ) {
    const response = await fetch(`${api.server.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: response.status, text: await response.text() };
  }
  const post = (path: string, body: Json) => send('POST', `/api/v1/workflows${path}`, body);

  it.each(ATTEMPTS.map((steps) => [steps]))(
    'is refused at every way in, and not advised: %j',
    async (steps) => {
      const document = aDefinition({ workflow_id: 'mine', steps });
      for (const answer of [
        await post('', document),
        await send(
          'PUT',
          '/api/v1/workflows/greeting',
          {
            ...document,
            workflow_id: 'greeting',
            version: '1.0.1',
          },
          { 'if-match': '*' },
        ),
      ]) {
        expect(answer.status).toBe(422);
        expect(answer.text.replaceAll('"given":"\\"platform_operation\\""', '')).not.toContain(
          'platform_operation',
        );
        expect(answer.text).toContain('E_SCHEMA');
      }
      const validated = await post('/validate', document);
      expect(JSON.parse(validated.text)).toMatchObject({ valid: false });
      expect((await send('GET', '/api/v1/workflows/mine')).status).toBe(404);
    },
  );

  it('stands in nothing that is published', async () => {
    for (const path of ['/openapi.json', '/api/v1/schemas/workflow']) {
      const answer = await send('GET', path);
      expect([path, answer.status]).toEqual([path, 200]);
      expect(answer.text).not.toContain('platform_operation');
    }
  });
});
