import { afterEach, describe, expect, it } from 'vitest';
import { createConduct } from '#evaluator/conduct.ts';
import type { Lane } from '#evaluator/lanes.ts';
import type { EvaluatorPool, EvaluatorPoolOptions } from '#evaluator/pool.ts';
import type { EvaluationResult } from '#ports/evaluator.ts';
import { startPool } from '../support/evaluator-pool.ts';

// Who works where is observed, never timed: work that must not wait for another ends while that one
// is still under way, however slow the machine is.

/**
 * Runs for a minute on a fast machine where its time does not stop it, and meets no other limit: what
 * grows a sequence or allocates ends early, on a fast machine within the quick run of a test.
 */
const TEN = `(${Array(10).fill('1').join(' + ')})`;
const ENDLESS = `$sum([1..1000].($sum([1..1000].(${Array(10).fill(TEN).join(' + ')}))))`;
/** More than a minute of processor time: nothing of this ends by itself within a test. */
const LONG_LIMIT = 2_000_000;

interface Run {
  readonly tenant: string;
  readonly lane: Lane;
}

const pools: EvaluatorPool[] = [];
/** A pool whose processes are all up: until then they stand in for each other. */
async function start(
  options: Partial<EvaluatorPoolOptions> = {},
): Promise<{ pool: EvaluatorPool; runs: Run[] }> {
  const runs: Run[] = [];
  // nobody's probation ends within a test, however slow the machine is
  const conduct = createConduct({ firstProbationMs: 3_600_000 });
  const onRun = (run: Run): unknown => runs.push(run);
  const pool = startPool({ conduct, onRun, ...options });
  pools.push(pool);
  await until(() => pool.stats().starting === 0);
  return { pool, runs };
}

afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.close()));
});

async function evaluate(pool: EvaluatorPool, tenant: string, ...expressions: string[]) {
  return await pool.evaluate({ tenant, expressions, bindings: {}, dialect: 'portable' });
}

/** Begins what will not end, and says when it is over all the same. */
function begin(pool: EvaluatorPool, tenant: string, source: string): { over: boolean } {
  const state = { over: false };
  const end = (): void => {
    state.over = true;
  };
  evaluate(pool, tenant, source).then(end, end);
  return state;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

const reasons = (results: readonly EvaluationResult[]): string[] =>
  results.map((result) => (result.ok ? 'ok' : result.reason));

// Seconds of processor time, which a full machine shares out.
describe('the lanes of the pool', { timeout: 300_000 }, () => {
  it('L1: quick work does not wait for heavy work', async () => {
    const { pool, runs } = await start({ limitMs: LONG_LIMIT / 100 });
    const heavy = begin(pool, 'heavy', ENDLESS);
    await until(() => runs.some(({ lane }) => lane === 'heavy'));
    for (const tenant of ['a', 'b', 'heavy']) {
      expect(reasons(await evaluate(pool, tenant, '1 + 1'))).toEqual(['ok']);
    }
    expect(heavy.over).toBe(false);
    expect(runs.map(({ tenant, lane }) => `${tenant} ${lane}`)).toEqual([
      'heavy quick',
      'heavy heavy',
      'a quick',
      'b quick',
      'heavy quick',
    ]);
  });

  it('L2: a tenant that was stopped by a limit is served by the process of probation alone', async () => {
    const { pool, runs } = await start({ limitMs: 1_000 });
    expect(reasons(await evaluate(pool, 'hostile', ENDLESS))).toEqual(['wall_clock']);
    const { probation: _, ...before } = pool.stats().lanes;
    runs.length = 0;
    for (let i = 0; i < 3; i++) {
      const [hostile] = await Promise.all([
        evaluate(pool, 'hostile', '1', ENDLESS, '2'),
        evaluate(pool, 'hostile', '3'),
        evaluate(pool, 'other', '4'),
      ]);
      expect(reasons(hostile)).toEqual(['ok', 'wall_clock', 'ok']);
    }
    const lanesOf = (tenant: string): Lane[] => [
      ...new Set(runs.filter((run) => run.tenant === tenant).map(({ lane }) => lane)),
    ];
    expect(lanesOf('hostile')).toEqual(['probation']);
    expect(lanesOf('other')).toEqual(['quick']);
    expect(pool.stats().lanes).toMatchObject(before);
  });

  it('L2: what a tenant has waiting when it is struck waits for the process of probation', async () => {
    const { pool, runs } = await start({ limitMs: 1_000 });
    const results = await Promise.all(
      Array.from({ length: 6 }, () => evaluate(pool, 'hostile', ENDLESS)),
    );
    expect(results.flatMap(reasons)).toEqual(Array.from({ length: 6 }, () => 'wall_clock'));
    const lanes = runs.map(({ lane }) => lane);
    const struck = lanes.indexOf('probation');
    // its second in the heavy lane may have begun before the first was stopped, nothing after that
    expect(lanes.slice(struck).filter((lane) => lane !== 'probation').length).toBe(0);
    expect(lanes.filter((lane) => lane === 'heavy')).toHaveLength(1);
  });

  it('L2: neither quick nor heavy work of others waits for a tenant on probation', async () => {
    const conduct = createConduct({ firstProbationMs: 3_600_000 });
    // far from both ends, on a fast machine as on a full one: a quick run ends after 200 ms
    const { pool, runs } = await start({ limitMs: 4_000, conduct });
    conduct.strike('hostile', performance.now());
    const hostile = begin(pool, 'hostile', ENDLESS);
    await until(() => runs.some(({ lane }) => lane === 'probation'));
    const [onProbation] = pool.stats().lanes.probation;
    if (onProbation === undefined) throw new Error('no process of probation');
    process.kill(onProbation, 'SIGSTOP');
    const heavy = Array(6).fill('$sum($map([1..60000], function($i) { $i }))').join(' + ');
    expect(reasons(await evaluate(pool, 'other', heavy, '1'))).toEqual(['ok', 'ok']);
    const others = runs.filter(({ tenant }) => tenant === 'other').map(({ lane }) => lane);
    expect(new Set(others)).toEqual(new Set(['quick', 'heavy']));
    expect(hostile.over).toBe(false);
  });

  it('L3: one quick process is kept for tenants that are proven', async () => {
    const { pool, runs } = await start({ processes: 2, limitMs: LONG_LIMIT });
    for (let i = 0; i < 5; i++) await evaluate(pool, 'proven', '1');
    runs.length = 0;
    const first = begin(pool, 'first', ENDLESS);
    const second = begin(pool, 'second', ENDLESS);
    for (let i = 0; i < 3; i++) await evaluate(pool, 'proven', '1');
    expect([first.over, second.over]).toEqual([false, false]);
    expect(runs.map(({ tenant }) => tenant)).toEqual(['first', 'proven', 'proven', 'proven']);
  });

  it('L3: a tenant with work in the heavy lane goes on with quick work, up to a measure', async () => {
    const { pool, runs } = await start({ limitMs: LONG_LIMIT / 100 });
    for (let i = 0; i < 4; i++) begin(pool, 'eager', `${ENDLESS} + ${i}`);
    await until(() => runs.length >= 3);
    await evaluate(pool, 'other', '1');
    // the third and fourth have not begun, and the second is behind the first in the heavy lane
    const eager = runs.filter(({ tenant }) => tenant === 'eager').map(({ lane }) => lane);
    expect(eager.sort()).toEqual(['heavy', 'quick', 'quick']);
  });

  it('L4: answers or rejects all that it accepted, also when it closes with all lanes full', async () => {
    const { pool } = await start({ maxQueuedPerTenant: 3 });
    await evaluate(pool, 'hostile', ENDLESS);
    const outcomes = Promise.allSettled(
      ['hostile', 'a', 'b'].flatMap((tenant) =>
        Array.from({ length: 6 }, () => evaluate(pool, tenant, ENDLESS)),
      ),
    );
    await evaluate(pool, 'c', '1');
    await pool.close();
    for (const outcome of await outcomes) {
      if (outcome.status === 'fulfilled') expect(reasons(outcome.value)).toEqual(['wall_clock']);
      else expect(outcome.reason).toMatchObject({ code: 'UNAVAILABLE' });
    }
  });

  it('L5: an expression yields the same in every lane', async () => {
    const { pool, runs } = await start({ limitMs: 1_000 });
    const honest = '$join($map([1..20000], function($i) { $string($i % 7) }), "") ~> $length()';
    const fresh = await evaluate(pool, 'honest', honest);
    const known = await evaluate(pool, 'honest', honest);
    await evaluate(pool, 'struck', ENDLESS);
    const struck = await evaluate(pool, 'struck', honest);
    expect([fresh, known, struck]).toEqual(
      Array.from({ length: 3 }, () => [{ ok: true, value: 20_000 }]),
    );
    expect(new Set(runs.map(({ lane }) => lane))).toEqual(new Set(['quick', 'heavy', 'probation']));
  });
});
