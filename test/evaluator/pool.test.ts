import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';
import { afterEach, describe, expect, it } from 'vitest';
import type { Lane } from '#evaluator/lanes.ts';
import { LANES, PRIORITIES } from '#evaluator/lanes.ts';
import type { EvaluatorPool, EvaluatorPoolOptions } from '#evaluator/pool.ts';
import type { EvaluationRequest } from '#ports/evaluator.ts';
import { startPool } from '../support/evaluator-pool.ts';

// One comparison of two values that hold the same parts 2^30 times: only a kill ends it.
const HANGS = `($f := function($n) { $reduce([1..30], function($a, $i) { {"l": $a, "r": $a} }, $n) }; $f(1) = $f(1))`;

const pools: EvaluatorPool[] = [];
function start(options: Partial<EvaluatorPoolOptions> = {}): EvaluatorPool {
  const pool = startPool(options);
  pools.push(pool);
  return pool;
}

const request = (
  expressions: readonly string[],
  more: Partial<EvaluationRequest> = {},
): EvaluationRequest => ({ tenant: 't', expressions, bindings: {}, dialect: 'portable', ...more });

afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.close()));
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** The nineteenth field of what Linux says of a process; the name in parentheses may hold blanks. */
function niceness(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16]);
}

describe('the evaluator pool', () => {
  it('answers every expression of a request, in order', async () => {
    const pool = start();
    const results = await pool.evaluate(
      request(['$input.a + 1', '1 +', '$input.none', '$input.a < "x"', '$input'], {
        bindings: { input: { a: 1, text: 'é😀' } },
      }),
    );
    expect(results).toEqual([
      { ok: true, value: 2 },
      expect.objectContaining({ ok: false, reason: 'syntax' }),
      { ok: true },
      expect.objectContaining({ ok: false, reason: 'error' }),
      { ok: true, value: { a: 1, text: 'é😀' } },
    ]);
    expect(await pool.evaluate(request([]))).toEqual([]);
  });

  it('reads business time from the clock that it is given', async () => {
    const pool = start({ clock: { now: () => 1_000 } });
    expect(await pool.evaluate(request(['$millis()'], { dialect: 'aws' }))).toEqual([
      { ok: true, value: 1_000 },
    ]);
    const [without] = await start().evaluate(request(['$millis()'], { dialect: 'aws' }));
    expect(without).toMatchObject({ ok: false, reason: 'error' });
  });

  it('kills what runs too long, answers the rest, and replaces what it killed', async () => {
    const pool = start();
    await pool.evaluate(request(['1']));
    const before = pool.stats().lanes;
    const hostile = pool.evaluate(request(['1', HANGS, '3'], { tenant: 'hostile' }));
    const other = pool.evaluate(request(['2'], { tenant: 'other' }));
    expect(await other).toEqual([{ ok: true, value: 2 }]);
    expect(await hostile).toEqual([
      { ok: true, value: 1 },
      expect.objectContaining({ ok: false, reason: 'wall_clock' }),
      { ok: true, value: 3 },
    ]);
    // the run that gave the verdict, and the quick one where its own guard saw nothing
    expect(pool.stats().killed).toBeGreaterThanOrEqual(1);
    const { quick, heavy, probation } = pool.stats().lanes;
    expect([quick.length, heavy.length, probation.length]).toEqual([1, 1, 1]);
    expect([quick, heavy, probation]).not.toEqual(Object.values(before));
  });

  it('gives a slow expression all its time, and remembers that it is slow', async () => {
    const lanes: Lane[] = [];
    const pool = start({ limitMs: 4_000, onRun: ({ lane }) => lanes.push(lane) });
    // until all are up they stand in for each other
    while (pool.stats().starting > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    // far from both ends, on a fast machine as on a full one: a quick run ends after 200 ms
    const slow = Array(6).fill('$sum($map([1..60000], function($i) { $i }))').join(' + ');
    for (let i = 0; i < 2; i++) {
      expect(await pool.evaluate(request([slow]))).toEqual([{ ok: true, value: 10_800_180_000 }]);
    }
    await pool.evaluate(request(['1']));
    expect(lanes).toEqual(['quick', 'heavy', 'heavy', 'quick']);
  });

  it('gives up on a request that ends one process after the other', async () => {
    const pool = start();
    const results = await pool.evaluate(request([HANGS, HANGS, HANGS, '1']));
    expect(results.map((result) => (result.ok ? 'ok' : result.reason))).toEqual([
      'wall_clock',
      'wall_clock',
      'wall_clock',
      'unavailable',
    ]);
  });

  it('survives a process that fills its heap', async () => {
    // A process of its own code alone lives in 16 MB, barely.
    const pool = start({ heapMegabytes: 32, limitMs: 20_000 });
    const greedy = '$count($map([1..40], function($i) { {"a": [1..90000]} }))';
    const [result] = await pool.evaluate(request([greedy], { tenant: 'greedy' }));
    expect(result).toMatchObject({ ok: false, reason: 'memory' });
    expect(await pool.evaluate(request(['1 + 1']))).toEqual([{ ok: true, value: 2 }]);
  });

  it('ends a process whose resident memory passes the limit', async () => {
    const pool = start({ rssMegabytes: 1 });
    const [result] = await pool.evaluate(request(['$sum($map([1..100000], function($i) { $i }))']));
    expect(result).toMatchObject({ ok: false, reason: 'memory' });
  });

  it('lets a tenant have one evaluation at a time, and others go ahead', async () => {
    // so long that nothing leaves the quick lane, where this holds
    const pool = start({ processes: 2, limitMs: 60_000 });
    await pool.evaluate(request(['1']));
    const order: string[] = [];
    const slow = '$sum($map([1..200], function($i) { $i }))';
    const run = async (tenant: string, name: string, source: string) => {
      await pool.evaluate(request([source], { tenant }));
      order.push(name);
    };
    await Promise.all([
      run('a', 'a1', slow),
      run('a', 'a2', slow),
      run('a', 'a3', slow),
      run('b', 'b1', '1'),
    ]);
    expect(order.indexOf('b1')).toBeLessThan(order.indexOf('a2'));
    expect(order.filter((name) => name.startsWith('a'))).toEqual(['a1', 'a2', 'a3']);
  });

  it('refuses what it cannot hold, per tenant and in all', async () => {
    const pool = start({ maxQueued: 6, maxQueuedPerTenant: 3 });
    const outcomes = await Promise.allSettled([
      ...Array.from({ length: 5 }, () => pool.evaluate(request(['1'], { tenant: 'a' }))),
      ...Array.from({ length: 5 }, (_, i) => pool.evaluate(request(['1'], { tenant: `b${i}` }))),
    ]);
    const refused = outcomes.filter(({ status }) => status === 'rejected');
    expect(refused).toHaveLength(2 + 2);
    for (const outcome of refused) {
      expect(outcome).toMatchObject({ reason: { code: 'UNAVAILABLE' } });
    }
  });

  it('refuses input beyond 1 MiB, and takes what is just below', async () => {
    const pool = start();
    const large = { input: 'x'.repeat(1_048_576) };
    expect(await pool.evaluate(request(['1'], { bindings: large }))).toEqual([
      expect.objectContaining({ ok: false, reason: 'too_large' }),
    ]);
    const fits = { input: 'x'.repeat(1_048_000) };
    expect(await pool.evaluate(request(['$contains($input, "y")'], { bindings: fits }))).toEqual([
      { ok: true, value: false },
    ]);
  });

  it('replaces a process after so many requests', async () => {
    const pool = start({ recycleAfter: 3, limitMs: 60_000 });
    await pool.evaluate(request(['1']));
    const before = pool.stats().lanes.quick;
    for (let i = 0; i < 12; i++) {
      expect(await pool.evaluate(request(['1']))).toEqual([{ ok: true, value: 1 }]);
    }
    expect(pool.stats().lanes.quick.some((pid) => before.includes(pid))).toBe(false);
    expect(pool.stats().killed).toBe(0);
  });

  it('keeps going when its processes are killed from outside', async () => {
    const pool = start({ processes: 2 });
    await pool.evaluate(request(['1']));
    for (const pid of pool.stats().pids) process.kill(pid, 'SIGKILL');
    expect(await pool.evaluate(request(['7']))).toMatchObject([{ ok: true, value: 7 }]);
  });

  it.runIf(existsSync('/proc/self/stat'))(
    'starts the processes of heavy work and of probation behind all others',
    async () => {
      const { lanes } = start({ priorities: PRIORITIES }).stats();
      const isAt = async (pid: number, nice: number): Promise<void> => {
        while (niceness(pid) !== nice) await new Promise((resolve) => setTimeout(resolve, 5));
      };
      const at = { quick: 0, heavy: 10, probation: 19 };
      for (const lane of LANES) for (const pid of lanes[lane]) await isAt(pid, at[lane]);
      expect(LANES.map((lane) => lanes[lane].length)).toEqual([1, 1, 1]);
    },
  );

  it('says why no process starts, and recovers nothing by waiting', async () => {
    const pool = start({ entry: '/nonexistent/evaluator.js' });
    await expect(pool.evaluate(request(['1']))).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('no evaluator process starts'),
    });
  });

  it('closes: processes end, what waits and what comes is rejected', async () => {
    const pool = start();
    await pool.evaluate(request(['1']));
    const { pids } = pool.stats();
    const running = pool.evaluate(request([HANGS], { tenant: 'a' }));
    const waiting = pool.evaluate(request(['1'], { tenant: 'b' }));
    const settled = Promise.allSettled([running, waiting]);
    await Promise.all([pool.close(), pool.close()]);
    for (const outcome of await settled) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'UNAVAILABLE' } });
    }
    await expect(pool.evaluate(request(['1']))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(pids.filter(isAlive)).toEqual([]);
  });

  it('runs from a bundle', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'evaluator-'));
    try {
      const outfile = join(folder, 'evaluator.mjs');
      await build({
        entryPoints: [resolve(import.meta.dirname, '../../lib/evaluator/child.ts')],
        outfile,
        bundle: true,
        platform: 'node',
        format: 'esm',
        target: 'node24',
        minify: true,
        logLevel: 'error',
      });
      const pool = start({ entry: outfile });
      const sources = ['$map(["a"], $pad(?, 3))', '$hash("a", "MD5")', '"a" & [1]'];
      expect(await pool.evaluate(request(sources))).toEqual([
        { ok: true, value: 'a  ' },
        { ok: true, value: '0cc175b9c0f1b6a831c399e269772661' },
        { ok: true, value: 'a[1]' },
      ]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
