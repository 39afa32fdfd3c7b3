import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseExpression } from '#core/expr/parse.ts';
import type { EvaluatorPool } from '#evaluator/pool.ts';
import { createEvaluatorPool } from '#evaluator/pool.ts';
import type { EvaluationRequest } from '#ports/evaluator.ts';
import corpus from './hostile-expressions.json' with { type: 'json' };

// Each expression is stopped with a code: `stopped` is the problem code where the checks refuse it,
// else the reason with which its evaluation fails. `limit` is any of the limits: which one is met
// first depends on the machine, and a busy machine may meet one before the reason named here. That each
// is stopped within 300 ms, and what a neighbour waits meanwhile, is measured by test/bench/hostile.ts.
const LIMITS = ['wall_clock', 'memory', 'sequence', 'too_deep', 'too_large'];

const request = (tenant: string, source: string): EvaluationRequest => ({
  tenant,
  expressions: [source],
  bindings: { input: { text: 'aaaa', items: [{ price: 1 }, { price: 2 }] } },
  dialect: 'portable',
});

describe('hostile expressions', () => {
  let pool: EvaluatorPool;
  const pid = process.pid;
  const before = process.memoryUsage().rss;
  let neighbourFailures = 0;
  let neighbourDone = 0;
  let stop = false;
  let neighbour: Promise<void>;

  beforeAll(async () => {
    pool = createEvaluatorPool({ processes: 2 });
    await pool.evaluate(request('warm-up', '1'));
    neighbour = (async () => {
      while (!stop) {
        const [result] = await pool.evaluate(request('neighbour', '$sum($input.items.price)'));
        if (result?.ok !== true || result.value !== 3) neighbourFailures += 1;
        neighbourDone += 1;
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    })();
  });

  afterAll(async () => {
    stop = true;
    await neighbour;
    await pool.close();
  });

  it('are many and of many kinds', () => {
    expect(corpus.length).toBeGreaterThanOrEqual(100);
    expect(new Set(corpus.map(({ name }) => name)).size).toBe(corpus.length);
  });

  for (const { name, source, stopped } of corpus) {
    it(`${name} is stopped`, async () => {
      const parsed = parseExpression(source);
      if (stopped.startsWith('E_')) {
        expect(parsed.ok ? [] : parsed.problems.map(({ code }) => code)).toContain(stopped);
      } else expect(parsed.ok).toBe(true);

      const [result] = await pool.evaluate(request(name, source));
      expect(result?.ok).toBe(false);
      if (result === undefined || result.ok) return;
      if (stopped.startsWith('E_')) expect(['fence', 'syntax']).toContain(result.reason);
      else expect([stopped, ...LIMITS]).toContain(result.reason);
      expect(result.message.length).toBeLessThanOrEqual(1_000);
    });
  }

  it('leave this process and its other tenants alone', () => {
    expect(process.pid).toBe(pid);
    expect(process.memoryUsage().rss - before).toBeLessThan(256 * 1_048_576);
    expect(neighbourFailures).toBe(0);
    expect(neighbourDone).toBeGreaterThan(100);
    expect(Object.keys(Object.prototype)).toEqual([]);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });
});
