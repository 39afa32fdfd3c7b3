import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileMachine } from '#core/asl/compile.ts';
import { checkDefinition } from '#core/plan/check.ts';
import { TRIGGER_RULES } from '#core/plan/program.ts';
import { compiled } from './support.ts';

/**
 * Any accepted definition compiles to a machine that our checks and asl-validator take. What such
 * machines do is for the differential suite; here are only shapes: graphs, gates, nesting.
 */
const RUNS = 40;

type Random = (most: number) => number;

const WHENS = [
  '{% $input.go = true %}',
  '{% $input.n > 3 %}',
  "{% $exists($input.x) and $input.kind in ['a', 'b'] %}",
];

function someSteps(random: Random, depth: number, prefix: string): object[] {
  const count = 1 + random(depth === 0 ? 7 : 3);
  const ids = Array.from({ length: count }, (_, i) => `${prefix}${String.fromCharCode(97 + i)}`);
  return ids.map((id, i) => {
    const before = ids.slice(0, i).filter(() => random(3) === 0);
    const read = before[0];
    const value = read === undefined ? '{% $input.v %}' : `{% $steps.${read}.output %}`;
    return {
      id,
      depends_on: before,
      ...(before.length > 0 && random(2) === 0
        ? { trigger: TRIGGER_RULES[random(TRIGGER_RULES.length)] }
        : {}),
      ...(random(4) === 0 ? { when: WHENS[random(WHENS.length)] } : {}),
      ...(random(5) === 0 ? { continue_on_failure: true } : {}),
      ...someWork(random, depth, id, value),
    };
  });
}

function someWork(random: Random, depth: number, id: string, value: string): object {
  const small = { max_output_bytes: 16 };
  const inner = () => someSteps(random, depth + 1, `${id}x`);
  const undo = { type: 'http_request', config: { url: 'https://world.test/undo', body: value } };
  switch (random(depth < 3 ? 11 : 6)) {
    case 0:
    case 1:
      return {
        ...small,
        type: 'http_request',
        result: '{% $result.body %}',
        ...(random(2) === 0 ? { compensate: undo } : {}),
        config: { url: 'https://world.test/{% $input.id %}', body: value },
      };
    case 2:
      return { ...small, type: 'transform', config: { value: [value, { deep: [value, 1] }] } };
    case 3:
      return { type: 'wait', config: { duration: random(2) === 0 ? 1000 : '{% $input.ms %}' } };
    case 4:
      return { type: 'fail', config: { error: 'Sold.Out', message: 'no {% $input.id %}' } };
    case 5:
      return { ...small, type: 'approval', config: { assignee: value, timeout: '1h' } };
    case 6:
    case 7:
      return { type: 'group', config: { steps: inner() } };
    case 8:
      return {
        type: 'branch',
        config: {
          cases: [{ when: WHENS[random(3)], steps: inner() }],
          ...(random(2) === 0 ? { else: someSteps(random, depth + 1, `${id}y`) } : {}),
        },
      };
    case 9:
      return {
        type: 'loop',
        config: { while: WHENS[random(3)], max_iterations: 2, steps: inner() },
      };
    default:
      return { type: 'for_each', config: { items: value, max_items: 2, steps: inner() } };
  }
}

describe('random definitions', () => {
  it('compile, or say which limit of Step Functions they meet', () => {
    const met = new Map<string, number>();
    const count = (what: string) => met.set(what, (met.get(what) ?? 0) + 1);
    fc.assert(
      fc.property(fc.infiniteStream(fc.nat({ max: 1_000_000 })), (stream) => {
        const random: Random = (most) => Number(stream.next().value) % most;
        const steps = someSteps(random, 0, 's');
        const checked = checkDefinition({ workflow_id: 'w', version: '1.0.0', steps });
        if (!checked.ok) {
          for (const { code } of checked.problems) expect(code).toMatch(/^E_BUDGET/);
          count('refused');
          return;
        }
        const result = compileMachine(checked.program);
        if (!result.ok) {
          for (const { code } of result.problems) {
            count(code);
            expect(code).toBe('E_ASL_BARRIER_SLOW');
          }
          return;
        }
        // asl-validator is slow: a few small ones are enough beside all the other tests.
        if (result.stats.bytes < 40_000) compiled(checked.program);
        count('compiled');
      }),
      { seed: 20_260_101, numRuns: RUNS },
    );
    expect(met.get('compiled')).toBeGreaterThan(RUNS / 2);
  });
});
