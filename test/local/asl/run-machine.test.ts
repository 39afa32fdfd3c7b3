import { describe, expect, it } from 'vitest';
import type { Json } from '#core/json.ts';
import { createInProcessEvaluator } from '#evaluator/in-process.ts';
import { runMachineFile } from '#local/asl/run-machine.ts';
import { CHILD, LAMBDA, machine, TOKEN, task } from './harness.ts';

let ids = 0;
const run = (definition: Json, tasks?: Json, input: Json = { n: 1 }) =>
  runMachineFile({
    machine: definition,
    input,
    tasks,
    evaluator: createInProcessEvaluator(),
    ids: { next: () => `id-${++ids}`, random: () => `id-${++ids}` },
  });

describe('runMachineFile', () => {
  it('prints a history, with waits that pass at once', async () => {
    const result = await run(machine({ W: { Type: 'Wait', Seconds: 86_400, End: true } }));
    expect(result).toMatchObject({
      ok: true,
      execution: { status: 'SUCCEEDED', output: { n: 1 }, stopDate: 86_400_000 },
      history: {
        events: [
          { id: 1, type: 'ExecutionStarted', timestamp: '1970-01-01T00:00:00.000Z' },
          { id: 2, type: 'WaitStateEntered' },
          { id: 3, type: 'WaitStateExited', timestamp: '1970-01-02T00:00:00.000Z' },
          { id: 4, type: 'ExecutionSucceeded' },
        ],
      },
    });
  });

  it('takes results by state, function and resource, in order, the last again and again', async () => {
    const payload = '{% $states.result.Payload %}';
    const retry = [{ ErrorEquals: ['States.ALL'], IntervalSeconds: 1, BackoffRate: 1 }];
    const result = await run(
      machine({
        ByState: task({ Retry: retry, Assign: { a: payload }, Next: 'ByFunction' }),
        ByFunction: task({
          Arguments: { FunctionName: 'mailer' },
          Assign: { b: payload },
          Next: 'ByResource',
        }),
        ByResource: task({ Assign: { c: payload }, Next: 'Again' }),
        Again: task({ Assign: { d: payload }, Next: 'End' }),
        End: { Type: 'Succeed', Output: '{% [$a, $b, $c, $d] %}' },
      }),
      {
        ByState: [{ error: 'E' }, { error: 'E', cause: 'c' }, { result: 'third' }],
        mailer: [{ result: 'sent', seconds: 3 }],
        [LAMBDA]: [{ result: 'any' }],
      },
    );
    expect(result).toMatchObject({
      execution: { output: ['third', 'sent', 'any', 'any'], stopDate: 5000 },
    });
  });

  it('answers tokens and children, or leaves them unanswered', async () => {
    const result = await run(
      machine({
        Ask: task({ Resource: TOKEN, Assign: { a: '{% $states.result %}' }, Next: 'Child' }),
        Child: task({
          Resource: CHILD,
          Arguments: { StateMachineArn: 'arn:aws:states:local:0:stateMachine:x' },
          Assign: { b: '{% $states.result.Output %}' },
          Next: 'Silent',
        }),
        Silent: task({
          Resource: TOKEN,
          TimeoutSeconds: 10,
          Catch: [{ ErrorEquals: ['States.Timeout'], Next: 'End' }],
          Next: 'End',
        }),
        End: { Type: 'Succeed', Output: '{% [$a, $b] %}' },
      }),
      {
        Ask: [{ result: 'yes', seconds: 7 }],
        Child: [{ result: { child: true } }],
        Silent: [{ silent: true }],
      },
    );
    expect(result).toMatchObject({
      execution: { status: 'SUCCEEDED', output: ['yes', { child: true }], stopDate: 17_000 },
    });
  });

  it('says RUNNING of an execution that waits for what never comes', async () => {
    const result = await run(machine({ Ask: task({ Resource: TOKEN }) }), {
      Ask: [{ silent: true }],
    });
    expect(result).toMatchObject({ ok: true, execution: { status: 'RUNNING' } });
  });

  it('fails a task that the file has no result for, and says which names it looked for', async () => {
    const result = await run(machine({ T: task() }));
    expect(result).toMatchObject({
      execution: {
        status: 'FAILED',
        error: 'Lambda.ResourceNotFoundException',
        cause: expect.stringMatching(/'T', 'f' or 'arn:aws:states:::lambda:invoke'/),
      },
    });
  });

  it('shows every problem of the machine and of the tasks file', async () => {
    const result = await run(machine({ T: { Type: 'Pass', Result: 1, End: true } }), {
      a: [],
      b: [{ result: 1, wait: 2 }, { error: 5 }],
    });
    expect(result.ok ? [] : result.problems.map(({ pointer }) => pointer)).toEqual([
      '/States/T/Result',
      '/a',
      '/b/0',
      '/b/1',
    ]);
  });
});
