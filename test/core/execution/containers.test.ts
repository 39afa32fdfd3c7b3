import { describe, expect, it } from 'vitest';
import type { Json } from '#core/json.ts';
import { http, run, START, workflow } from './driver.ts';

const value = (id: string, config: unknown, more: object = {}) => ({
  id,
  type: 'transform',
  config: { value: config },
  ...more,
});
const each = (config: object, more: object = {}) => ({
  id: 'each',
  type: 'for_each',
  config: { items: '{% $input.items %}', ...config },
  ...more,
});

describe('for_each', () => {
  it('rule 20: results in index order, never more than concurrency in flight', async () => {
    const program = workflow([each({ concurrency: 3, steps: [http('a')] })]);
    const { driver, result } = await run(program, {
      input: { items: [0, 1, 2, 3, 4, 5, 6, 7] },
      calls: ({ step }) => ({ output: step, ms: ((Number(step.slice(7, 8)) * 37) % 11) * 10 + 5 }),
    });
    let inFlight = 0;
    let most = 0;
    const begun: string[] = [];
    for (const { event } of driver.log) {
      if (!('step' in event) || !event.step?.startsWith('each.a')) continue;
      if (event.type === 'step_started') begun.push(event.step);
      inFlight += event.type === 'step_started' ? 1 : -1;
      most = Math.max(most, inFlight);
    }
    expect(most).toBe(3);
    expect(begun).toEqual([0, 1, 2, 3, 4, 5, 6, 7].map((i) => `each.a[${i}]`));
    expect(result.output).toEqual({
      each: [0, 1, 2, 3, 4, 5, 6, 7].map((i) => ({
        status: 'SUCCESS',
        output: { a: `each.a[${i}]` },
      })),
    });
  });

  it.each([
    [[], []],
    [undefined, []],
    ['one', ['one']],
    [null, [null]],
    [
      [[1], [2]],
      [[1], [2]],
    ],
  ])('rule 20: items %j are normalised to %j', async (items, expected) => {
    const program = workflow([each({ steps: [value('a', '{% $item %}')] })]);
    const input: Json = items === undefined ? {} : { items: items as Json };
    const { result } = await run(program, { input });
    expect(result.steps['each']?.output).toEqual(
      expected.map((item) => ({ status: 'SUCCESS', output: { a: item } })),
    );
  });

  it('rule 20: too many items, or items that fail: no iteration starts', async () => {
    const program = workflow([each({ max_items: 2, steps: [http('a')] })]);
    const many = await run(program, { input: { items: [1, 2, 3] } });
    expect(many.result.steps).toMatchObject({
      each: { status: 'FAILED', error: { code: 'CloudFlow.TooManyItems' } },
    });
    const bad = workflow([each({ items: '{% $number("x") %}', steps: [http('a')] })]);
    const { result } = await run(bad);
    expect(result.steps['each']?.error?.code).toBe('CloudFlow.ExpressionError');
    expect([many.result.calls, result.calls]).toEqual([{}, {}]);
  });

  it('rule 20: a failed iteration ends nothing; the step fails with what succeeded kept', async () => {
    const compensate = { type: 'http_request', config: { url: 'https://u/{% $index %}' } };
    const program = workflow([each({ concurrency: 1, steps: [http('a', { compensate })] })]);
    const { result } = await run(program, {
      input: { items: [0, 1, 2] },
      calls: ({ step }) => (step === 'each.a[1]' ? { error: 'Rejected' } : { output: 1, ms: 5 }),
    });
    expect(result.steps['each']).toMatchObject({
      status: 'FAILED',
      error: { code: 'CloudFlow.IterationFailed' },
    });
    expect(result.steps['each.a[2]']?.status).toBe('SUCCESS');
    expect(result.compensations.map(({ step }) => step)).toEqual(['each.a[2]', 'each.a[0]']);
  });

  it('rule 20: iterations whose start needs the evaluator count against concurrency', async () => {
    const program = workflow([
      each({ concurrency: 2, steps: [value('a', '{% $sum([$item, 1]) %}')] }),
    ]);
    const { driver, result } = await run(program, { input: { items: [1, 2, 3, 4, 5] } });
    const asked = driver.commands.map(({ command }) => command.id);
    expect(asked).toHaveLength(5);
    expect(new Set(asked).size).toBe(5);
    expect(result.steps['each.a[4]']?.output).toBe(6);
  });

  it('a decision yields when thousands of events follow from one another', async () => {
    const items = Array.from({ length: 400 }, (_, i) => i);
    const program = workflow([
      each({ max_items: 400, concurrency: 40, steps: [value('a', '{% $item %}')] }),
      value('b', 1, { depends_on: ['each'] }),
    ]);
    const { driver, result } = await run(program, { input: { items } });
    expect(result.status).toBe('COMPLETED');
    expect(driver.log.filter(({ event }) => event.type === 'execution_yielded').length).toBe(1);
    expect(driver.now).toBe(START);
  });
});

describe('branch', () => {
  const program = workflow([
    {
      id: 'pick',
      type: 'branch',
      config: {
        cases: [
          { when: '{% $input.n = 1 %}', steps: [value('one', 1)] },
          { when: '{% $number($input.n) = 2 %}', steps: [http('two')] },
        ],
        else: [
          value('other', 'x'),
          value('last', '{% $steps.other.output %}', { depends_on: ['other'] }),
        ],
      },
    },
  ]);

  it('rule 21: the first true case', async () => {
    const { result } = await run(program, { input: { n: 1 } });
    expect(result.steps['pick']?.output).toEqual({ case: '0', steps: { one: 1 } });
    expect(Object.keys(result.steps)).toEqual(['pick', 'pick.one']);
  });

  it('rule 21: a case after the chosen one does not matter; before it an error fails', async () => {
    const reversed = workflow([
      {
        id: 'pick',
        type: 'branch',
        config: {
          cases: [
            { when: '{% $number($input.n) = 2 %}', steps: [http('two')] },
            { when: '{% true %}', steps: [value('one', 1)] },
          ],
        },
      },
    ]);
    const { result } = await run(reversed, { input: { n: 'x' } });
    expect(result.steps['pick']).toMatchObject({
      status: 'FAILED',
      error: { code: 'CloudFlow.ExpressionError' },
    });
  });

  it('rule 21: else, and no case at all', async () => {
    const { result } = await run(program, { input: { n: 3 } });
    expect(result.steps['pick']?.output).toEqual({
      case: 'else',
      steps: { other: 'x', last: 'x' },
    });
    const none = workflow([
      {
        id: 'pick',
        type: 'branch',
        config: { cases: [{ when: '{% false %}', steps: [value('one', 1)] }] },
      },
    ]);
    expect((await run(none)).result.steps['pick']?.output).toEqual({ case: null, steps: {} });
  });

  it('rule 21: a failing arm', async () => {
    const { result } = await run(program, {
      input: { n: 2 },
      calls: () => ({ error: 'ClientError' }),
    });
    expect(result.steps['pick']?.error?.code).toBe('CloudFlow.ArmFailed');
  });
});

describe('loop', () => {
  const loop = (test: object, more: object = {}) =>
    workflow([
      {
        id: 'poll',
        type: 'loop',
        config: { ...test, max_iterations: 3, steps: [http('ask')], ...more },
      },
    ]);

  it('rule 22: zero iterations', async () => {
    const { result } = await run(loop({ while: '{% false %}' }));
    expect(result.steps['poll']).toMatchObject({
      status: 'SUCCESS',
      output: { iterations: 0, last: null },
    });
  });

  it.each([
    [{ until: '{% $loop.last.ask.done = true %}' }],
    [{ while: '{% $not($loop.last.ask.done = true) %}' }],
    [{ until: '{% $exists($loop.last.ask[done = true]) %}' }],
  ])('rule 22: goes on by %j, with the last outputs at hand', async (test) => {
    const { result } = await run(loop(test), {
      calls: ({ step }) => ({ output: { done: step === 'poll.ask[1]', step }, ms: 5 }),
    });
    expect(result.steps['poll']?.output).toEqual({
      iterations: 2,
      last: { ask: { done: true, step: 'poll.ask[1]' } },
    });
  });

  it('rule 22: the limit, a failing body, a failing test', async () => {
    const { result } = await run(loop({ while: '{% true %}' }));
    expect(result.steps['poll']?.error?.code).toBe('CloudFlow.LoopLimitExceeded');
    expect(result.calls).toEqual({ 'poll.ask[0]': 1, 'poll.ask[1]': 1, 'poll.ask[2]': 1 });
    const failing = await run(loop({ while: '{% true %}' }), {
      calls: () => ({ error: 'Rejected' }),
    });
    expect(failing.result.steps['poll']?.error?.code).toBe('CloudFlow.IterationFailed');
    const bad = await run(loop({ while: '{% $loop.index < "x" %}' }));
    expect(bad.result.steps['poll']?.error?.code).toBe('CloudFlow.ExpressionError');
  });

  it('rule 22: $loop in the body is that of the innermost loop', async () => {
    const program = workflow([
      {
        id: 'outer',
        type: 'loop',
        config: {
          while: '{% $loop.index < 2 %}',
          max_iterations: 5,
          steps: [
            value('at', '{% $loop.index %}'),
            {
              id: 'inner',
              type: 'loop',
              config: {
                while: '{% $loop.index < 2 %}',
                max_iterations: 5,
                steps: [value('at', '{% $loop.index %}')],
              },
            },
          ],
        },
      },
    ]);
    const { result } = await run(program);
    expect(result.steps['outer.at[1]']?.output).toBe(1);
    expect(result.steps['outer.inner.at[0,1]']?.output).toBe(1);
    expect(Object.keys(result.steps)).toHaveLength(1 + 2 * (2 + 2));
  });
});

describe('group', () => {
  it('rules 23 and 24: output by id, GroupFailed, and only the record is visible', async () => {
    const program = workflow([
      { id: 'g', type: 'group', config: { steps: [http('a'), http('b', { depends_on: ['a'] })] } },
      value('after', '{% $steps.g.output.b %}', { depends_on: ['g'] }),
    ]);
    const good = await run(program, { calls: ({ step }) => ({ output: step }) });
    expect(good.result.output).toEqual({ g: { a: 'g.a', b: 'g.b' }, after: 'g.b' });
    const bad = await run(program, { calls: () => ({ error: 'ClientError' }) });
    expect(bad.result.steps).toMatchObject({
      g: { status: 'FAILED', error: { code: 'CloudFlow.GroupFailed' } },
      'g.b': { status: 'SKIPPED', class: 'U' },
      after: { status: 'SKIPPED', class: 'U' },
    });
  });
});
