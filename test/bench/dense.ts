// How long the densest definitions keep an event loop from its turns while they are checked, in the
// caller's thread and in the thread of the local platform: `node test/bench/dense.ts [rounds]`

import { createDefinitionChecks } from '#adapters/local/definition-checks.ts';
import { createThreadedChecks } from '#local/threaded-checks.ts';
import type { DefinitionChecks } from '#ports/definition-checks.ts';
import { percentile } from './percentile.ts';

const rounds = Number(process.argv[2] ?? 15);
/** Which earlier steps of its list a step depends on. */
const SHAPES: { readonly [name: string]: (i: number, j: number) => boolean } = {
  'all before': () => true,
  'two in five': (i, j) => (i * 7 + j * 3) % 5 < 2,
  'layers of 11': (i, j) => Math.floor(j / 11) === Math.floor(i / 11) - 1,
};

/** 500 steps in five lists, 3,000 expressions, none of which was seen before. */
function densest(depends: (i: number, j: number) => boolean, round: number): object {
  const steps = (group: number): object[] =>
    Array.from({ length: 99 }, (_, i) => {
      const before = Array.from({ length: i }, (__, j) => j).filter((j) => depends(i, j));
      const read = (k: number): string => `$steps.s${before[(k * 31) % before.length]}.output.n`;
      const value = (k: number): string =>
        before.length === 0
          ? `{% $input.a${k} + ${group}.${round} %}`
          : `{% $exists(${read(k)}) ? $sum([${read(k + 1)}, ${group}.${round}]) : ${k} %}`;
      return {
        id: `s${i}`,
        type: 'http_request',
        depends_on: before.map((j) => `s${j}`),
        trigger: i % 2 === 0 ? 'none_failed' : 'all_done',
        when: before.length === 0 ? '{% $input.n > 1 %}' : `{% ${read(0)} = ${group}.${round} %}`,
        max_output_bytes: 100,
        config: { url: 'https://example.com', body: [0, 1, 2, 3, 4].map(value) },
      };
    });
  return {
    workflow_id: 'densest',
    version: '1.0.0',
    output: null,
    steps: [0, 1, 2, 3, 4].map((group) => ({
      id: `g${group}`,
      type: 'group',
      config: { steps: steps(group) },
    })),
  };
}

/** Longest time between two turns of the event loop during each check. */
async function measure(checks: DefinitionChecks, shape: string): Promise<number[]> {
  const blocked: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const document = densest(SHAPES[shape] as (i: number, j: number) => boolean, round);
    let last = performance.now();
    let longest = 0;
    let checking = true;
    const turn = (): void => {
      const now = performance.now();
      longest = Math.max(longest, now - last);
      last = now;
      if (checking) setImmediate(turn);
    };
    setImmediate(turn);
    const checked = await checks.check({
      tenant: 'a',
      document,
      preferred: 'step_functions',
      children: null,
    });
    await new Promise((resolve) => setImmediate(resolve));
    checking = false;
    if (!checked.ok) throw new Error(JSON.stringify(checked.problems[0]));
    blocked.push(longest);
  }
  return blocked;
}

const threaded = createThreadedChecks();
console.log('ms without a turn                    median      most');
for (const shape of Object.keys(SHAPES)) {
  for (const [where, checks] of [
    ["caller's thread", createDefinitionChecks()],
    ['its own thread', threaded],
  ] as const) {
    const blocked = await measure(checks, shape);
    const cells = [percentile(blocked, 50), Math.max(...blocked)].map((ms) =>
      ms.toFixed(0).padStart(9),
    );
    console.log(`${shape.padEnd(16)} ${where.padEnd(16)} ${cells.join(' ')}`);
  }
}
await threaded.close();
