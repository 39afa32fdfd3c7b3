import { describe, expect, it } from 'vitest';
import { http, run, START, workflow } from './driver.ts';

const undo = (url: string) => ({
  type: 'http_request',
  config: { url: `https://example.com/${url}` },
});
const undoable = (id: string, more: { readonly [name: string]: unknown } = {}) =>
  http(id, { compensate: undo(`undo-${id}`), ...more });

describe('compensation', () => {
  const parallel = workflow([
    undoable('a'),
    undoable('b', { depends_on: ['a'] }),
    undoable('c', { depends_on: ['a'] }),
    http('last', { depends_on: ['b', 'c'] }),
  ]);

  it('rule 30: reverse order of completion, one at a time', async () => {
    const { driver, result } = await run(parallel, {
      calls: ({ step }) =>
        step === 'last' ? { error: 'Rejected' } : { output: 1, ms: step === 'b' ? 90 : 10 },
      compensations: () => ({ output: null, ms: 7 }),
    });
    expect(result).toMatchObject({ status: 'FAILED', compensation: 'COMPLETE' });
    expect(result.compensations.map(({ step }) => step)).toEqual(['b', 'c', 'a']);
    const times = driver.commands
      .filter(({ command }) => command.kind === 'compensate')
      .map(({ at }) => at - START);
    expect(times).toEqual([100, 107, 114]);
  });

  it('rule 30: at equal times reverse topological order, iterations included', async () => {
    const program = workflow([
      {
        id: 'each',
        type: 'for_each',
        config: {
          items: [1, 2],
          max_items: 5,
          steps: [undoable('x'), undoable('y', { depends_on: ['x'] })],
        },
      },
      undoable('z', { depends_on: ['each'] }),
      http('last', { depends_on: ['z'] }),
    ]);
    const { result } = await run(program, {
      calls: ({ step }) => (step === 'last' ? { error: 'Rejected' } : { output: 1 }),
    });
    expect(result.compensations.map(({ step }) => step)).toEqual([
      'z',
      'each.y[1]',
      'each.x[1]',
      'each.y[0]',
      'each.x[0]',
    ]);
  });

  it('rule 31: arguments see the step itself; no value is null; an error is a bad entry', async () => {
    const config = (body: unknown) => ({
      type: 'http_request',
      config: { url: 'https://example.com', body },
    });
    const program = workflow([
      http('good', { compensate: config('{% $steps.good.output.id %}') }),
      http('none', { depends_on: ['good'], compensate: config('{% $steps.none.output.no %}') }),
      http('bad', { depends_on: ['none'], compensate: config('{% $number("x") %}') }),
      {
        id: 'own',
        type: 'transform',
        depends_on: ['bad'],
        config: { value: [1, 2] },
        compensate: config('{% $sum($steps.own.output) %}'),
      },
      http('last', { depends_on: ['own'] }),
    ]);
    const { driver, result } = await run(program, {
      calls: ({ step }) => (step === 'last' ? { error: 'Rejected' } : { output: { id: step } }),
    });
    expect(result.compensations).toMatchObject([
      { step: 'own', status: 'SUCCESS' },
      {
        step: 'bad',
        status: 'FAILED',
        attempts: 0,
        error: { code: 'CloudFlow.ExpressionError' },
      },
      { step: 'none', status: 'SUCCESS' },
      { step: 'good', status: 'SUCCESS' },
    ]);
    expect(result.compensation).toBe('PARTIAL');
    const bodies = driver.commands.flatMap(({ command }) =>
      command.kind === 'compensate' ? [(command.record.config as { body: unknown }).body] : [],
    );
    expect(bodies).toEqual([3, null, 'good']);
  });

  it('rule 32: transient errors are repeated after 2, 4 and 8 s, others are not', async () => {
    const program = workflow([
      undoable('a'),
      undoable('b', { depends_on: ['a'] }),
      http('last', { depends_on: ['b'] }),
    ]);
    const { driver, result } = await run(program, {
      calls: ({ step }) => (step === 'last' ? { error: 'Rejected' } : { output: 1 }),
      compensations: ({ step }) => ({ error: step === 'b' ? 'Transient' : 'ClientError' }),
    });
    expect(result).toMatchObject({
      status: 'FAILED',
      error: { code: 'CloudFlow.Rejected' },
      compensation: 'PARTIAL',
      compensations: [
        { step: 'b', status: 'FAILED', attempts: 4 },
        { step: 'a', status: 'FAILED', attempts: 1 },
      ],
    });
    const times = driver.commands.flatMap(({ at, command }) =>
      command.kind === 'compensate' ? [at - START] : [],
    );
    expect(times).toEqual([0, 2_000, 6_000, 14_000, 14_000]);
  });
});
