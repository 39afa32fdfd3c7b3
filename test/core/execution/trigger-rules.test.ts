import { describe, expect, it } from 'vitest';
import { run, workflow } from './driver.ts';

// What becomes of a step behind dependencies of classes x and y, by rule: columns in the order of
// CLASSES for x, and within it for y. R runs, U is UPSTREAM_FAILED, K UPSTREAM_SKIPPED, N RULE_NOT_MET.
const CLASSES = ['S', 'F', 'U', 'K'] as const;
const TABLE: { readonly [rule: string]: string } = {
  all_success: 'RUUK UUUU UUUU KUUK',
  none_failed: 'RUUR UUUU UUUU RUUR',
  none_failed_min_one_success: 'RUUR UUUU UUUU RUUK',
  all_done: 'RRRR RRRR RRRR RRRR',
  one_failed: 'NRRN RRRR RRRR NRRN',
  all_failed: 'NNNN NRRN NRRN NNNN',
};

/** A step `id` that ends with the given class. */
function ofClass(id: string, wanted: (typeof CLASSES)[number]): object[] {
  const value = { type: 'transform', config: { value: 1 } };
  switch (wanted) {
    case 'S':
      return [{ id, ...value }];
    case 'F':
      return [{ id, type: 'fail', config: { error: 'Broken' } }];
    case 'U':
      return [
        { id: `${id}-before`, type: 'fail', config: { error: 'Broken' } },
        { id, ...value, depends_on: [`${id}-before`] },
      ];
    case 'K':
      return [{ id, ...value, when: '{% false %}' }];
  }
}

const OUTCOMES: { readonly [letter: string]: object } = {
  R: { status: 'SUCCESS', class: 'S', reason: null, attempts: 1 },
  U: { status: 'SKIPPED', class: 'U', reason: 'UPSTREAM_FAILED', attempts: 0 },
  K: { status: 'SKIPPED', class: 'K', reason: 'UPSTREAM_SKIPPED', attempts: 0 },
  N: { status: 'SKIPPED', class: 'K', reason: 'RULE_NOT_MET', attempts: 0 },
};

const cases = Object.entries(TABLE).flatMap(([rule, row]) =>
  CLASSES.flatMap((x, i) =>
    CLASSES.map((y, j) => ({ rule, x, y, expected: row.split(' ')[i]![j]! })),
  ),
);

describe('rules 6 to 8: trigger rules', () => {
  it('has 96 cases', () => expect(cases).toHaveLength(96));

  it.each(cases)('$rule over $x and $y: $expected', async ({ rule, x, y, expected }) => {
    const program = workflow([
      ...ofClass('x', x),
      ...ofClass('y', y),
      {
        id: 'z',
        type: 'transform',
        depends_on: ['x', 'y'],
        trigger: rule,
        config: { value: 2 },
      },
    ]);
    const { result } = await run(program);
    expect(result.steps['x']?.class).toBe(x);
    expect(result.steps['y']?.class).toBe(y);
    expect(result.steps['z']).toMatchObject(OUTCOMES[expected]!);
    const failed = [x, y].some((c) => c === 'F' || c === 'U');
    expect(result.status).toBe(failed ? 'FAILED' : 'COMPLETED');
  });

  it.each(Object.keys(TABLE))('%s without dependencies runs', async (trigger) => {
    const { result } = await run(
      workflow([{ id: 'z', type: 'transform', trigger, config: { value: 1 } }]),
    );
    expect(result.steps['z']?.status).toBe('SUCCESS');
  });
});
