import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createInProcessEvaluator } from '#evaluator/in-process.ts';
import type { EvaluationRequest, Evaluator } from '#ports/evaluator.ts';
import { startPool } from '../support/evaluator-pool.ts';

const clock = { now: () => 86_400_000 };

describe('the evaluator inside this process', () => {
  let pool: Evaluator;
  let here: Evaluator;

  beforeAll(() => {
    pool = startPool({ clock });
    here = createInProcessEvaluator({ clock });
  });
  afterAll(() => pool.close());

  it('answers as the pool does', async () => {
    const shared = { id: 1 };
    const bindings = { input: { items: [shared, { id: 2 }], list: [[1, [2]]] }, item: shared };
    const expressions = [
      '$input.items[id = 2]',
      '$item in $input.items',
      '$input.list',
      '$input.none',
      '$input.items.id',
      '1 / 0',
      '$sum',
      'nothing',
      '$hash("a", "SHA-1")',
      '$map($input.items, function($i) { $merge([$i, {"x": $i.id * 2}]) })',
    ];
    const request: EvaluationRequest = { tenant: 't', expressions, bindings, dialect: 'portable' };
    expect(await here.evaluate(request)).toEqual(await pool.evaluate(request));
    const aws: EvaluationRequest = {
      ...request,
      dialect: 'aws',
      expressions: ['$now()', '$random(7)', '$eval("1")', '$match("ab", /b/).index'],
    };
    expect(await here.evaluate(aws)).toEqual(await pool.evaluate(aws));
  });

  it('runs concurrent requests for one expression one after the other', async () => {
    const results = await Promise.all(
      [1, 2, 3].map((a) =>
        here.evaluate({
          tenant: 't',
          expressions: ['$sum($map([1..100], function($i) { $i * $input.a }))'],
          bindings: { input: { a } },
          dialect: 'portable',
        }),
      ),
    );
    expect(results).toEqual([5_050, 10_100, 15_150].map((value) => [{ ok: true, value }]));
  });

  it('is closed for good', async () => {
    const evaluator = createInProcessEvaluator();
    await evaluator.close();
    await expect(
      evaluator.evaluate({ tenant: 't', expressions: ['1'], bindings: {}, dialect: 'portable' }),
    ).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });
});
