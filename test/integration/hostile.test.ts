import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Json } from '#core/json.ts';
import { EGRESS_REFUSED } from '#ports/egress.ts';
import { HOSTILE_HOSTS, spellingsOfV4 } from '#test/adapters/http/hostile-addresses.ts';
import corpus from '#test/evaluator/hostile-expressions.json' with { type: 'json' };
import { createTestDatabase, describeWithPostgres } from '#test/support/database.ts';
import { type PlatformWorld, startWorld } from './platform-world.ts';

/** What a tenant can do to itself must still come to an end, and be told apart. */
describeWithPostgres('hostile definitions, run to their end', () => {
  let world: PlatformWorld;
  let serial = 0;

  beforeAll(async () => {
    world = await startWorld((await createTestDatabase()).url);
  });
  afterAll(() => world?.stop());

  const workflow = (steps: object[], more: object = {}) =>
    ({ workflow_id: `hostile-${++serial}`, version: '1.0.0', ...more, steps }) as never;
  const one = { id: 'a', type: 'transform', config: { value: 1 } };

  for (const runtime of ['engine', 'step_functions'] as const) {
    it(`${runtime}: no step reaches what is not public, however it is spelt, and none tells which is there`, async () => {
      // 127.0.0.1 has the target of this test on a port of its own, and PostgreSQL on another.
      const port = new URL(world.target).port;
      const urls = [
        ...HOSTILE_HOSTS.filter((_, n) => n % 20 === 0).map((host) => `http://${host}/`),
        ...spellingsOfV4('169.254.169.254').map((host) => `http://${host}/latest/meta-data/`),
        `http://127.0.0.2:${port}/`,
        `http://localhost:${port}/`,
        `http://[::ffff:127.0.0.1]:1/`,
        'http://example.com:22/',
        'http://example.com:5432/',
      ];
      const before = world.hits.length;
      const id = await world.execute(
        workflow([
          {
            id: 'each',
            type: 'for_each',
            continue_on_failure: true,
            config: {
              items: '{% $input.urls %}',
              max_items: 100,
              steps: [
                {
                  id: 'go',
                  type: 'http_request',
                  continue_on_failure: true,
                  max_output_bytes: 1_000,
                  config: { url: '{% $item %}' },
                },
                {
                  id: 'why',
                  type: 'transform',
                  depends_on: ['go'],
                  max_output_bytes: 400,
                  config: {
                    value: [
                      '{% $steps.go.status %}',
                      '{% $steps.go.error.code %}',
                      '{% $steps.go.error.message %}',
                    ],
                  },
                },
              ],
            },
          },
        ]),
        runtime,
        { urls },
      );
      const { output, status } = await world.finished(id);
      expect(status).toBe('COMPLETED');
      const each = (output as { each: { output: { why: Json } }[] }).each;
      expect(each).toHaveLength(urls.length);
      const told = new Set(each.map(({ output: { why } }) => JSON.stringify(why)));
      expect([...told]).toEqual([
        JSON.stringify(['FAILED', 'CloudFlow.PermissionDenied', EGRESS_REFUSED]),
      ]);
      expect(world.hits.length).toBe(before);
    });

    it(`${runtime}: an input too large for a child fails its step, at once and for good`, async () => {
      const child = workflow([one]);
      const { workflow_id } = await world.client.createWorkflow({ body: child });
      const id = await world.execute(
        workflow([
          {
            id: 'start',
            type: 'sub_workflow',
            config: { workflow_id, input: { a: '{% $input.x %}', b: '{% $input.x %}' } },
          },
        ]),
        runtime,
        { x: 'y'.repeat(60_000) },
      );
      const execution = await world.finished(id);
      expect(execution).toMatchObject({
        status: 'FAILED',
        error: { code: 'CloudFlow.InvalidConfig', step: 'start' },
      });
      expect(execution.error?.message).toContain('at most 65536');
    });
  }

  it('every hostile expression is refused with its code, or stops its execution with one, and nobody else', {
    timeout: 180_000,
  }, async () => {
    const started: { name: string; id: string }[] = [];
    for (const { name, source, stopped } of corpus) {
      const document = workflow([
        { id: 'a', type: 'transform', config: { value: `{% ${source} %}` } },
      ]);
      const checked = await world.client.validateWorkflow({ body: document });
      expect([name, checked.valid]).toEqual([name, !stopped.startsWith('E_')]);
      if (!checked.valid) {
        expect(checked.problems.map(({ code }) => code)).toContain(stopped);
        continue;
      }
      const input = { text: 'aaaa', items: [{ price: 1 }, { price: 2 }] };
      started.push({ name, id: await world.execute(document, 'engine', input) });
    }
    expect(started.length).toBeGreaterThanOrEqual(60);
    for (const { name, id } of started) {
      const { status, error } = await world.finished(id);
      expect([name, status, error?.code]).toEqual([name, 'FAILED', 'CloudFlow.ExpressionError']);
      expect(error?.message.length).toBeLessThanOrEqual(1_200);
    }
    const good = workflow([
      { id: 'a', type: 'transform', config: { value: '{% $sum([1, 2]) %}' } },
    ]);
    const { output } = await world.finished(await world.execute(good, 'engine'));
    expect(output).toEqual({ a: 3 });
  });
});
