import { describe, expect, it } from 'vitest';
import { callTimes, http, run, workflow } from './driver.ts';

describe('a chain, a diamond and retries', () => {
  it('rule 2: a step starts when its dependency is terminal, with its output at hand', async () => {
    const program = workflow([
      { id: 'a', type: 'http_request', config: { url: 'https://example.com/{% $input.id %}' } },
      http('b', { depends_on: ['a'], config: { body: '{% $steps.a.output %}' } }),
      http('c', { depends_on: ['b'] }),
      {
        id: 'd',
        type: 'transform',
        depends_on: ['c'],
        config: { value: '{% $steps.c.output.n + 1 %}' },
      },
    ]);
    const { driver, result } = await run(program, {
      input: { id: 7 },
      calls: ({ step }) => ({ output: { n: step.charCodeAt(0) }, ms: 10 }),
    });
    expect(result).toMatchObject({ status: 'COMPLETED', compensation: 'NONE' });
    expect(result.output).toEqual({ a: { n: 97 }, b: { n: 98 }, c: { n: 99 }, d: 100 });
    expect(driver.commands.map(({ command }) => command)).toMatchObject([
      { kind: 'call', step: 'a', attempt: 1, config: { url: 'https://example.com/7' } },
      { kind: 'call', step: 'b', config: { body: { n: 97 } } },
      { kind: 'call', step: 'c' },
    ]);
    expect([callTimes(driver, 'b'), callTimes(driver, 'c')]).toEqual([[10], [20]]);
    expect(driver.log.map(({ event }) => event.type)).toEqual([
      'execution_created',
      'execution_started',
      ...['a', 'b', 'c', 'd'].flatMap(() => ['step_started', 'step_succeeded']),
      'execution_completed',
    ]);
  });

  it('rule 4: the arms of a diamond run together and the join waits for both', async () => {
    const program = workflow([
      http('a'),
      http('b', { depends_on: ['a'] }),
      http('c', { depends_on: ['a'] }),
      http('d', { depends_on: ['b', 'c'] }),
    ]);
    const { driver } = await run(program, {
      calls: ({ step }) => ({ output: step, ms: step === 'b' ? 500 : 20 }),
    });
    expect(callTimes(driver, 'b')).toEqual([20]);
    expect(callTimes(driver, 'c')).toEqual([20]);
    expect(callTimes(driver, 'd')).toEqual([520]);
  });

  it('rule 16: retries come 2, 4, 8 s after each failure, and then no more', async () => {
    const program = workflow([http('a', { config: { retry: { max_attempts: 3 } } })]);
    const { driver, result } = await run(program, {
      calls: () => ({ error: 'Transient', ms: 100 }),
    });
    expect(callTimes(driver, 'a')).toEqual([0, 2_100, 6_200, 14_300]);
    expect(result.steps['a']).toMatchObject({
      status: 'FAILED',
      attempts: 4,
      error: { code: 'CloudFlow.Transient' },
    });
    expect(result.error).toMatchObject({ code: 'CloudFlow.Transient', step: 'a' });
  });
});
