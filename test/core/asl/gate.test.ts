import { describe, expect, it } from 'vitest';
import { call, steps } from './support.ts';

describe('a gate', () => {
  it('stands in front of a join and tests the classes of all dependencies at once', () => {
    const { choice, parallel, next } = steps([
      call('a'),
      call('b'),
      call('c', { depends_on: ['a', 'b'] }),
    ]);
    expect(next('a+b')).toBe('c.gate');
    expect(parallel('a+b').Branches.map(({ StartAt }) => StartAt)).toEqual(['a', 'b']);
    expect(choice('c.gate')).toMatchObject({
      Choices: [{ Condition: "{% $count([$s0.k, $s1.k][$ != 'S']) = 0 %}", Next: 'c' }],
      Default: 'c.skip',
    });
  });

  it('computes class and reason of the skip when it cannot be known before', () => {
    const { states } = steps([call('a'), call('b'), call('c', { depends_on: ['a', 'b'] })]);
    expect(states.get('c.skip')).toMatchObject({
      Assign: {
        s2: {
          k: "{% $count([$s0.k, $s1.k][$ in ['F', 'U']]) > 0 ? 'U' : 'K' %}",
          why: expect.stringContaining("? 'UPSTREAM_FAILED' : 'UPSTREAM_SKIPPED'"),
        },
      },
    });
  });

  it.each([
    ['none_failed', "$count([$s0.k, $s1.k][$ in ['F', 'U']]) = 0"],
    [
      'none_failed_min_one_success',
      "$count([$s0.k, $s1.k][$ in ['F', 'U']]) = 0 and 'S' in [$s0.k, $s1.k]",
    ],
    ['one_failed', "$count([$s0.k, $s1.k][$ in ['F', 'U']]) > 0"],
    ['all_failed', "$count([$s0.k, $s1.k][$ in ['F', 'U']]) = 2"],
  ])('writes %s', (trigger, condition) => {
    const { choice } = steps([
      call('a'),
      call('b'),
      call('c', { depends_on: ['a', 'b'], trigger }),
    ]);
    expect(choice('c.gate').Choices[0]?.Condition).toBe(`{% ${condition} %}`);
  });

  it('is not needed for all_done, nor where the way decides', () => {
    const { next, failsTo, states } = steps([
      call('a'),
      call('always', { depends_on: ['a'], trigger: 'all_done' }),
      call('never', { depends_on: ['always'], trigger: 'one_failed' }),
    ]);
    expect(next('a')).toBe('always');
    expect(failsTo('a')).toBe('always');
    expect(next('always')).toBe('never.skip');
    expect(failsTo('always')).toBe('never');
    expect(states.get('never.skip')).toMatchObject({
      Assign: { s2: { k: 'K', why: 'RULE_NOT_MET' } },
    });
  });
});

describe('a condition', () => {
  it('that cannot fail stands in a Choice', () => {
    const { choice, states } = steps([call('a', { when: "{% $input.kind = 'vip' %}" })]);
    expect(choice('a.when')).toMatchObject({
      Choices: [
        {
          Condition:
            "{% ($input := $states.context.Execution.Input; ($input.kind = 'vip')) = true %}",
          Next: 'a',
        },
      ],
      Default: 'a.unmet',
    });
    expect(states.get('a.unmet')).toMatchObject({
      Assign: {
        s0: {
          k: 'K',
          why: expect.stringMatching(/= false \? 'CONDITION_FALSE' : 'CONDITION_NOT_BOOLEAN'/),
        },
      },
    });
  });

  it.each([
    '$input.n > 3',
    '$input.a in $input.b',
    "$execution.id = 'x'",
    '$input.n = 1e21',
    '$contains($input.t, "x")',
  ])("that can fail, or may have two answers, is the runner's: %s", (condition) => {
    const { payload, task, next, choice, failsTo, states } = steps([
      call('a', { when: `{% ${condition} %}` }),
      call('b', { depends_on: ['a'] }),
    ]);
    expect(payload('a.when')).toMatchObject({ kind: 'test', step: 'a', of: 'when' });
    expect(task('a.when').Assign).toEqual({ w0: '{% $states.result.Payload.value %}' });
    expect(failsTo('a.when')).toBe('b.skip');
    expect(next('a.when')).toBe('a.if');
    expect(choice('a.if').Choices[0]).toEqual({ Condition: "{% $w0 = 'true' %}", Next: 'a' });
    expect(states.has('a.gate')).toBe(false);
    expect(failsTo('a')).toBe('b.skip');
  });

  it('shares the Choice of the trigger rule, which comes first', () => {
    const { choice } = steps([
      call('a'),
      call('b'),
      call('c', { depends_on: ['a', 'b'], when: '{% $input.go = true %}' }),
    ]);
    expect(choice('c.gate').Choices.map(({ Next }) => Next)).toEqual(['c.skip', 'c']);
    expect(choice('c.gate').Choices[0]?.Condition).toContain('$not(');
    expect(choice('c.gate').Default).toBe('c.unmet');
  });

  it.each([
    '$index < 2',
    '$count($input.xs) >= 1',
    '($count($input.xs)) > $count($input.ys)',
    '$input.flag',
    '$not($input.flag) and $input.n in [1, 2]',
  ])("that no value can make fail is the Choice's: %s", (condition) => {
    const { states } = steps([
      {
        id: 'each',
        type: 'for_each',
        config: {
          items: [1],
          max_items: 1,
          steps: [call('a', { max_output_bytes: 50, when: `{% ${condition} %}` })],
        },
      },
    ]);
    expect(states.get('each.a.when')?.Type).toBe('Choice');
  });

  it('that can fail is not evaluated before the rule is satisfied', () => {
    const { choice } = steps([
      call('a'),
      call('b'),
      call('c', { depends_on: ['a', 'b'], when: '{% $input.n > 3 %}' }),
    ]);
    expect(choice('c.gate')).toMatchObject({ Choices: [{ Next: 'c.when' }], Default: 'c.skip' });
  });
});
