import jsonata from 'jsonata';
import { describe, expect, it } from 'vitest';
import { failureCause, failureMessage } from '#core/asl/payload.ts';
import { failures } from '#core/execution/failures.ts';
import { call, lastCatcher, steps } from './support.ts';

const undoable = (id: string, more = {}) =>
  call(id, {
    ...more,
    compensate: { type: 'http_request', config: { url: 'https://world.test/undo' } },
  });

describe('the end of a workflow', () => {
  it('reports an object of outputs by default, and the machine answers with it', () => {
    const { payload, task } = steps([call('a'), call('b')]);
    expect(payload('cf.report')).toMatchObject({
      kind: 'report',
      status: 'COMPLETED',
      output: { a: '{% $s0.v.output %}', b: '{% $s1.v.output %}' },
    });
    expect(task('cf.report')).toMatchObject({
      Output: '{% $states.result.Payload.output %}',
      End: true,
    });
  });

  it('leaves an output of its own to the runner, where an error makes the workflow fail', () => {
    const { payload, task } = steps([call('a')], { output: '{% $steps.a.output.n + 1 %}' });
    expect(payload('cf.report')).toMatchObject({ bindings: { steps: { a: '{% $s0.v %}' } } });
    expect(payload('cf.report')).not.toHaveProperty('output');
    expect(lastCatcher(task('cf.report'))).toMatchObject({
      ErrorEquals: ['CloudFlow.ExpressionError', 'CloudFlow.OutputTooLarge'],
      Next: 'cf.report-failure',
    });
  });

  it('fails with error and cause that the report answered, or with what it knows itself', () => {
    const { states, task } = steps([call('a')]);
    expect(states.get('cf.failed')).toEqual({
      Type: 'Fail',
      Error: '{% $cf_end.error %}',
      Cause: '{% $cf_end.cause %}',
    });
    expect(lastCatcher(task('cf.report-failure'))).toMatchObject({
      ErrorEquals: ['States.ALL'],
      Next: 'cf.failed',
    });
  });

  it('names the failed step that comes first in topological order', async () => {
    const { choice } = steps([call('z'), call('a', { depends_on: ['z'] }), call('q')]);
    const rule = choice('cf.decide').Choices[0];
    const source = String(rule?.Assign?.['cf_error']).slice(2, -2);
    const failed = (code: string) => ({ k: 'F', v: { error: { code, message: 'no' } } });
    const fine = { k: 'S', v: { error: null } };
    const names = [...source.matchAll(/'step': "(\w+)", 'k': \$(s\d)/g)].map((m) => [m[1], m[2]]);
    const at = Object.fromEntries(names) as Record<string, string>;
    const result = await jsonata(source).evaluate(null, {
      [at['z'] ?? '']: fine,
      [at['a'] ?? '']: failed('CloudFlow.ClientError'),
      [at['q'] ?? '']: failed('CloudFlow.Timeout'),
    });
    const first = names.find(([id]) => id !== 'z')?.[0];
    expect(result).toEqual({
      step: first,
      code: first === 'a' ? 'CloudFlow.ClientError' : 'CloudFlow.Timeout',
      message: 'no',
    });
  });
});

describe('the saga', () => {
  const saga = steps([
    undoable('a'),
    undoable('b', { depends_on: ['a'] }),
    call('c', { depends_on: ['b'] }),
  ]);

  it('asks the runner for the ledger and undoes it one by one', () => {
    expect(saga.choice('cf.decide').Choices[0]?.Next).toBe('cf.ledger');
    expect(saga.next('cf.ledger')).toBe('cf.compensate');
    expect(saga.map('cf.compensate')).toMatchObject({
      Items: '{% $cf_ledger %}',
      MaxConcurrency: 1,
    });
    expect(saga.payload('cf.undo')).toMatchObject({
      kind: 'compensate',
      step: '{% $states.input.step %}',
    });
    expect(saga.next('cf.compensate')).toBe('cf.report-failure');
  });

  it('tries three more times after 2, 4 and 8 seconds, and goes on after a failure', () => {
    expect(saga.task('cf.undo').Retry?.[1]).toMatchObject({
      IntervalSeconds: 2,
      BackoffRate: 2,
      MaxAttempts: 3,
    });
    expect(saga.failsTo('cf.undo')).toBe('cf.undo-failed');
    expect(saga.payload('cf.report-failure')['compensations']).toBe('{% $cf_undone %}');
  });

  it('is not written for a workflow that undoes nothing', () => {
    expect(steps([call('a')]).states.has('cf.ledger')).toBe(false);
  });

  it('has children that undo waited for by the runner', () => {
    const { task, payload } = steps([
      call('a', {
        compensate: { type: 'sub_workflow', config: { workflow_id: 'undo-a' } },
      }),
    ]);
    expect(task('cf.undo').Resource).toBe('arn:aws:states:::lambda:invoke');
    expect(payload('cf.undo')).not.toHaveProperty('token');
  });
});

describe('what a Catch makes of an error', () => {
  const { task } = steps([call('a', { config: { retry: { max_attempts: 2 } } })]);
  const source = String(lastCatcher(task('a'))?.Assign?.['s0']).slice(2, -2);
  const caught = (errorOutput: object) => {
    const expression = jsonata(source);
    expression.registerFunction('parse', (text: string) => JSON.parse(text), '<s:x>');
    return expression.evaluate(null, {
      states: { errorOutput, context: { State: { RetryCount: 1 } } },
    });
  };

  it('keeps name, message and attempts of an error of the runner', async () => {
    const failure = { attempts: 3, message: 'status 503: "busy"\n\\' };
    const thrown = {
      errorType: 'CloudFlow.ServerError',
      errorMessage: failureMessage(failure),
      trace: ['x'],
    };
    const record = {
      k: 'F',
      v: {
        status: 'FAILED',
        output: null,
        error: { code: 'CloudFlow.ServerError', message: failure.message },
        attempts: 3,
      },
    };
    const name = 'CloudFlow.ServerError';
    expect(await caught({ Error: name, Cause: JSON.stringify(thrown) })).toEqual(record);
    expect(await caught({ Error: name, Cause: failureCause(name, failure) })).toEqual(record);
  });

  it.each(['States.Timeout', 'States.HeartbeatTimeout'])(
    'says of %s what the engine says when the time is up',
    async (name) => {
      const error = { code: 'CloudFlow.Timeout', message: 'no result within 30000 ms' };
      const record = { k: 'F', v: { status: 'FAILED', output: null, error, attempts: 2 } };
      expect(await caught({ Error: name })).toEqual(record);
      expect(await caught({ Error: name, Cause: '{ no JSON' })).toEqual(record);
    },
  );

  it.each([
    ['States.QueryEvaluationError', failures.internal()],
    ['Lambda.TooManyRequestsException', failures.busy()],
    ['Lambda.Unknown', failures.internal()],
    ['States.Permissions', failures.internal()],
    ['TypeError', failures.internal()],
  ])('keeps the words of %s from expressions, and for the log', async (name, error) => {
    const v = { status: 'FAILED', output: null, error, attempts: 2 };
    const record = { k: 'F', v, platform: name };
    expect(await caught({ Error: name })).toEqual(record);
    expect(await caught({ Error: name, Cause: '{ no JSON' })).toEqual(record);
  });
});
