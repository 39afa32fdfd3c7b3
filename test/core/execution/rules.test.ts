import { describe, expect, it } from 'vitest';
import { callTimes, http, run, workflow } from './driver.ts';

const value = (id: string, config: unknown, more: object = {}) => ({
  id,
  type: 'transform',
  config: { value: config },
  ...more,
});

describe('conditions and expressions', () => {
  it('rule 5: a failure cancels nothing: what does not depend on it still runs', async () => {
    const program = workflow([
      http('bad'),
      http('after-bad', { depends_on: ['bad'] }),
      http('other'),
      http('after-other', { depends_on: ['other'] }),
    ]);
    const { result } = await run(program, {
      calls: ({ step }) => (step === 'bad' ? { error: 'ClientError' } : { output: 1, ms: 50 }),
    });
    expect(result.status).toBe('FAILED');
    expect(result.steps['after-bad']).toMatchObject({ status: 'SKIPPED', class: 'U' });
    expect(result.steps['after-other']).toMatchObject({ status: 'SUCCESS' });
    expect(result.calls).toEqual({ bad: 1, other: 1, 'after-other': 1 });
  });

  it.each([
    ['{% true %}', 'SUCCESS', null],
    ['{% false %}', 'SKIPPED', 'CONDITION_FALSE'],
    ['{% "true" %}', 'SKIPPED', 'CONDITION_NOT_BOOLEAN'],
    ['{% 1 %}', 'SKIPPED', 'CONDITION_NOT_BOOLEAN'],
    ['{% $input.missing %}', 'SKIPPED', 'CONDITION_NOT_BOOLEAN'],
    ['{% $sum($input.numbers) = 6 %}', 'SUCCESS', null],
    ['{% $sum($input.numbers) = 7 %}', 'SKIPPED', 'CONDITION_FALSE'],
  ])('rule 9: when %s gives %s (%s)', async (when, status, reason) => {
    const program = workflow([value('a', 1, { when })]);
    const { result } = await run(program, { input: { numbers: [1, 2, 3] } });
    expect(result.steps['a']).toMatchObject({ status, reason });
  });

  it.each(['{% $input.text < 3 %}', '{% $number($input.text) = 1 %}'])(
    'rule 9: when %s cannot be evaluated: FAILED with no attempt',
    async (when) => {
      const program = workflow([http('a', { when })]);
      const { driver, result } = await run(program, { input: { text: 'x' } });
      expect(result.steps['a']).toMatchObject({
        status: 'FAILED',
        attempts: 0,
        error: { code: 'CloudFlow.ExpressionError' },
      });
      expect(callTimes(driver, 'a')).toEqual([]);
    },
  );

  it('rule 9: when is not evaluated where the rule is not satisfied', async () => {
    const program = workflow([
      { id: 'a', type: 'fail', config: { error: 'Broken' } },
      value('b', 1, { depends_on: ['a'], when: '{% $number("x") = 1 %}' }),
    ]);
    const { driver, result } = await run(program);
    expect(result.steps['b']).toMatchObject({ status: 'SKIPPED', reason: 'UPSTREAM_FAILED' });
    expect(driver.commands.filter(({ command }) => command.kind === 'evaluate')).toEqual([]);
  });

  it('rule 11: inner $item and $index hide outer ones; outer steps are visible inside', async () => {
    const inner = {
      id: 'inner',
      type: 'for_each',
      config: {
        items: '{% $item.lines %}',
        max_items: 5,
        steps: [value('cell', '{% $steps.base.output & ":" & $item & ":" & $string($index) %}')],
      },
    };
    const program = workflow([
      value('base', 'b'),
      {
        id: 'outer',
        type: 'for_each',
        depends_on: ['base'],
        config: { items: '{% $input.orders %}', max_items: 5, steps: [inner] },
      },
    ]);
    const { result } = await run(program, {
      input: { orders: [{ lines: ['x', 'y'] }, { lines: 'z' }] },
    });
    expect(result.steps['outer.inner.cell[0,1]']?.output).toBe('b:y:1');
    expect(result.steps['outer.inner.cell[1,0]']?.output).toBe('b:z:0');
  });

  it('rule 12: a value goes out for evaluation once and with what it reads alone', async () => {
    const program = workflow([
      http('a'),
      http('b'),
      value(
        'c',
        { x: '{% $sum($steps.a.output.n) %}', y: '{% $input.y %}' },
        {
          depends_on: ['a', 'b'],
          when: '{% $sum($input.list) = 3 %}',
        },
      ),
    ]);
    const { driver, result } = await run(program, {
      input: { list: [1, 2], y: 5, secret: 'not sent for the sum alone' },
      calls: () => ({ output: { n: [1, 2] } }),
    });
    expect(result.steps['c']?.output).toEqual({ x: 3, y: 5 });
    const asked = driver.commands.flatMap(({ command }) =>
      command.kind === 'evaluate' ? [command] : [],
    );
    expect(asked).toHaveLength(1);
    expect(asked[0]?.expressions).toEqual(['$sum($input.list) = 3', '$sum($steps.a.output.n)']);
    expect(Object.keys(asked[0]?.bindings['steps'] as object)).toEqual(['a']);
  });

  it.each([
    ['{% $input.missing %}'],
    [{ deep: ['{% $sum($input.missing) %}'] }],
    ['text {% $input.object %}'],
    ['text {% $input.none %}'],
    ['{% 9007199254740993 %}'],
  ])('rules 13 and 15: a template %j cannot be filled: attempts 1, no call', async (body) => {
    const program = workflow([http('a', { config: { body } })]);
    const { driver, result } = await run(program, { input: { object: {}, none: null } });
    expect(result.steps['a']).toMatchObject({
      status: 'FAILED',
      attempts: 1,
      error: { code: 'CloudFlow.ExpressionError' },
    });
    expect(callTimes(driver, 'a')).toEqual([]);
    expect(result.calls).toEqual({});
  });

  it('interpolation joins strings, numbers and booleans as JSONata does', async () => {
    const program = workflow([
      value('a', 'n={% $input.n %} b={% $input.b %} s={% $uppercase($input.s) %}'),
    ]);
    const { result } = await run(program, { input: { n: 0.1 + 0.2, b: true, s: 'x' } });
    expect(result.output).toEqual({ a: 'n=0.3 b=true s=X' });
  });
});

describe('retries and results', () => {
  it('rule 16: fixed backoff, a longest interval, and a permanent error', async () => {
    const retry = { max_attempts: 3, interval: 1000, rate: 3, max_interval: 4000 };
    const program = workflow([
      http('fixed', { config: { retry: { max_attempts: 2, backoff: 'fixed' } } }),
      http('capped', { config: { retry } }),
      http('permanent', { config: { retry } }),
    ]);
    const { driver, result } = await run(program, {
      calls: ({ step }) => ({ error: step === 'permanent' ? 'ClientError' : 'ServerError' }),
    });
    expect(callTimes(driver, 'fixed')).toEqual([0, 2000, 4000]);
    expect(callTimes(driver, 'capped')).toEqual([0, 1000, 4000, 8000]);
    expect(result.steps['permanent']).toMatchObject({ attempts: 1 });
  });

  it('rule 16: retry_on adds names to the retryable ones', async () => {
    const program = workflow([
      http('a', { config: { retry: { max_attempts: 1, retry_on: ['CloudFlow.NotFound'] } } }),
      http('b', { config: { retry: { max_attempts: 1, retry_on: ['CloudFlow.NotFound'] } } }),
    ]);
    const { result } = await run(program, {
      calls: ({ step }) => ({ error: step === 'a' ? 'NotFound' : 'Timeout' }),
    });
    expect(result.steps['a']?.attempts).toBe(2);
    expect(result.steps['b']?.attempts).toBe(2);
  });

  it('rule 16: a success after failures counts its attempts and forgets the error', async () => {
    const program = workflow([http('a', { config: { retry: { max_attempts: 3 } } })]);
    const { result } = await run(program, {
      calls: ({ attempt }) => (attempt < 3 ? { error: 'Transient' } : { output: 'ok' }),
    });
    expect(result.steps['a']).toMatchObject({ status: 'SUCCESS', attempts: 3, error: null });
  });

  it('rule 19: an output one byte over its budget fails, at the budget it passes', async () => {
    const program = workflow([
      value('fits', '{% $input.five %}', { max_output_bytes: 7 }),
      value('over', '{% $input.six %}', { max_output_bytes: 7, continue_on_failure: true }),
    ]);
    const { result } = await run(program, { input: { five: 'aaaaa', six: 'aaaaé' } });
    expect(result.steps['fits']?.status).toBe('SUCCESS');
    expect(result.steps['over']).toMatchObject({
      status: 'FAILED',
      class: 'S',
      output: null,
      error: { code: 'CloudFlow.OutputTooLarge' },
    });
    expect(result.status).toBe('COMPLETED');
  });

  it('rule 27: waits end after whole seconds, at an instant, and at once when it is past', async () => {
    const program = workflow([
      { id: 'short', type: 'wait', config: { duration: 1 } },
      { id: 'past', type: 'wait', config: { until: '1970-01-01T00:00:01Z' } },
      { id: 'later', type: 'wait', config: { until: '{% $input.later %}' } },
      { id: 'bad', type: 'wait', config: { until: '{% $input.bad %}' } },
      ...['short', 'past', 'later'].map((id) => http(`after-${id}`, { depends_on: [id] })),
    ]);
    const { driver, result } = await run(program, {
      input: { later: new Date(1_000_000 + 5_500).toISOString(), bad: 'soon' },
    });
    expect(callTimes(driver, 'after-short')).toEqual([1_000]);
    expect(callTimes(driver, 'after-past')).toEqual([0]);
    expect(callTimes(driver, 'after-later')).toEqual([5_500]);
    expect(result.steps['bad']?.error?.code).toBe('CloudFlow.ExpressionError');
    expect(result.steps['short']?.output).toBeNull();
  });

  it('rule 28: fail fails with its own name and message', async () => {
    const program = workflow([
      {
        id: 'a',
        type: 'fail',
        config: { error: 'Stock.Empty', message: 'no {% $input.what %} left' },
      },
    ]);
    const { result } = await run(program, { input: { what: 'shoes' } });
    expect(result.error).toEqual({ code: 'Stock.Empty', message: 'no shoes left', step: 'a' });
  });

  it('rule 29: handlers run but do not mask a failure; continue_on_failure does', async () => {
    const program = workflow([
      http('a'),
      value('handler', '{% $steps.a.error.code %}', { depends_on: ['a'], trigger: 'one_failed' }),
      http('b', { continue_on_failure: true }),
      value('sees', '{% $steps.b.error.code %}', { depends_on: ['b'] }),
    ]);
    const script = { calls: () => ({ error: 'NotFound' }) };
    const { result } = await run(program, script);
    expect(result.steps['handler']?.output).toBe('CloudFlow.NotFound');
    expect(result.steps['sees']?.output).toBe('CloudFlow.NotFound');
    expect(result).toMatchObject({ status: 'FAILED', error: { step: 'a' } });
    const masked = workflow([http('b', { continue_on_failure: true })]);
    expect((await run(masked, script)).result.status).toBe('COMPLETED');
  });

  it('rule 33: the output of the workflow, by default and when its expression fails', async () => {
    const steps = [
      http('a', { compensate: { type: 'http_request', config: { url: 'https://u' } } }),
    ];
    const asked = await run(workflow(steps, { output: { n: '{% $sum($steps.a.output.n) %}' } }), {
      calls: () => ({ output: { n: [1, 2] } }),
    });
    expect(asked.result.output).toEqual({ n: 3 });
    const broken = await run(workflow(steps, { output: '{% $steps.a.output.missing %}' }));
    expect(broken.result).toMatchObject({
      status: 'FAILED',
      output: null,
      error: { code: 'CloudFlow.ExpressionError' },
      compensation: 'COMPLETE',
      compensations: [{ step: 'a', status: 'SUCCESS', attempts: 1 }],
    });
  });
});
