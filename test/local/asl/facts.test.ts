/** What is recorded, documented or measured of AWS, one test each. */
import { describe, expect, it } from 'vitest';
import type { Json } from '#core/json.ts';
import {
  bad,
  begin,
  CHILD,
  createWorld,
  finish,
  machine,
  ok,
  run,
  scope,
  task,
} from './harness.ts';
import { CASES, CHILD_ARN, CHILD_MACHINE } from './machines.ts';

const pass = (more: Record<string, Json> = {}): Record<string, Json> => ({
  Type: 'Pass',
  ...more,
  ...('Next' in more ? {} : { End: true }),
});
const catchAll = (output: Json = '{% $states.errorOutput.Error %}'): Json => [
  { ErrorEquals: ['States.ALL'], Output: output, Next: 'C' },
];

describe('evaluation', () => {
  it('Assign and Output read the values of entry: an assigned value is seen by later states only', async () => {
    const { output } = await run(
      machine({
        A: pass({ Assign: { answer: 42 }, Next: 'B' }),
        B: pass({ Assign: { answer: 'new' }, Output: '{% $answer %}', Next: 'C' }),
        C: pass({ Output: { before: '{% $states.input %}', after: '{% $answer %}' } }),
      }),
    );
    expect(output).toEqual({ before: 42, after: 'new' });
  });

  it('variables swap in one Assign', async () => {
    const { output } = await run(
      machine({
        A: pass({ Assign: { x: 1, y: 2 }, Next: 'B' }),
        B: pass({ Assign: { x: '{% $y %}', y: '{% $x %}' }, Next: 'C' }),
        C: pass({ Output: '{% [$x, $y] %}' }),
      }),
    );
    expect(output).toEqual([2, 1]);
  });

  it.each([
    ['Output', pass({ Output: '{% $states.input.no %}' })],
    ['Output/a', pass({ Output: { a: '{% $nothing %}' } })],
    ['Assign/v', pass({ Assign: { v: '{% $states.input.no %}' } })],
    ['Seconds', { Type: 'Wait', Seconds: '{% $states.input.no %}', End: true }],
    ['Arguments/Payload', task({ Arguments: { FunctionName: 'f', Payload: '{% $no %}' } })],
    ['TimeoutSeconds', task({ TimeoutSeconds: '{% $states.input.no %}' })],
    ['Error', { Type: 'Fail', Error: '{% $states.input.no %}' }],
    ['Items', { Type: 'Map', Items: '{% $no %}', ItemProcessor: scope({ P: pass() }), End: true }],
  ])('undefined fails the state with its location: %s', async (location, state) => {
    const { error, events } = await run(machine({ S: state as Json }));
    expect(error).toBe('States.QueryEvaluationError');
    const failed = events.find(({ type }) => type === 'EvaluationFailed');
    expect(failed?.evaluationFailedEventDetails?.location).toBe(location);
    expect(failed?.evaluationFailedEventDetails?.cause).toContain('returned nothing (undefined)');
  });

  it('a function is no value', async () => {
    const { error, cause } = await run(machine({ P: pass({ Output: '{% function($x){$x} %}' }) }));
    expect(error).toBe('States.QueryEvaluationError');
    expect(cause).toContain('returned an unsupported result type');
  });

  it('null is a value', async () => {
    const { output } = await run(machine({ P: pass({ Output: { v: '{% $states.input.n %}' } }) }), {
      n: null,
    });
    expect(output).toEqual({ v: null });
  });

  it.each([
    ['Pass', { S: pass({ Output: '{% 1 + "a" %}' }) }],
    ['Wait', { S: { Type: 'Wait', Seconds: '{% 1 + "a" %}', End: true } }],
    [
      'Choice',
      { S: { Type: 'Choice', Choices: [{ Condition: '{% 1 < "a" %}', Next: 'X' }] }, X: pass() },
    ],
  ])('an evaluation error in a %s kills the execution', async (_type, states) => {
    const { status, error, types } = await run(machine(states as Record<string, Json>));
    expect([status, error]).toEqual(['FAILED', 'States.QueryEvaluationError']);
    expect(types.slice(-2)).toEqual(['EvaluationFailed', 'ExecutionFailed']);
  });

  it('unless it is inside a Parallel or Map whose Catch takes it', async () => {
    const inner = scope({ X: pass({ Output: '{% 1 + "a" %}' }) });
    const states: Record<string, Json>[] = [
      { Type: 'Parallel', Branches: [inner] },
      { Type: 'Map', Items: [1], ItemProcessor: inner },
    ];
    for (const state of states) {
      const { output } = await run(
        machine({ S: { ...state, Catch: catchAll(), End: true }, C: pass() }),
      );
      expect(output).toBe('States.QueryEvaluationError');
    }
  });

  it('an evaluation error in the Arguments or Output of a Task is caught by its own Catch', async () => {
    const fields: Record<string, Json>[] = [
      { Arguments: { FunctionName: 'f', Payload: '{% 1 + "a" %}' } },
      { Output: '{% $states.result.Payload.no %}' },
    ];
    for (const field of fields) {
      const { output } = await run(
        machine({ T: task({ ...field, Catch: catchAll() }), C: pass() }),
      );
      expect(output).toBe('States.QueryEvaluationError');
    }
  });

  it('an evaluation error inside a Catcher is not its own to catch', async () => {
    const { error, events } = await run(
      machine({ T: task({ Catch: catchAll('{% $states.errorOutput.no %}') }), C: pass() }),
      {},
      () => bad('E'),
    );
    expect(error).toBe('States.QueryEvaluationError');
    expect(
      events.find(({ type }) => type === 'EvaluationFailed')?.evaluationFailedEventDetails
        ?.location,
    ).toBe('Catch[0]/Output');
  });

  it('a condition after the first true one is not evaluated', async () => {
    const { output } = await run(
      machine({
        S: {
          Type: 'Choice',
          Choices: [
            { Condition: '{% true %}', Next: 'X' },
            { Condition: '{% 1 < "a" %}', Next: 'X' },
          ],
        },
        X: pass({ Output: 'reached' }),
      }),
    );
    expect(output).toBe('reached');
  });

  it("a rule's own Assign and Output apply when it matches, the state's with Default", async () => {
    const states: Record<string, Json> = {
      S: {
        Type: 'Choice',
        Choices: [
          { Condition: '{% $states.input = 1 %}', Assign: { v: 'rule' }, Output: 'r', Next: 'X' },
          { Condition: '{% $states.input = 2 %}', Next: 'Y' },
        ],
        Default: 'X',
        Assign: { v: 'state' },
        Output: 's',
      },
      X: pass({ Output: '{% [$states.input, $v] %}' }),
      Y: pass({ Output: { in: '{% $states.input %}', unset: '{% $not($exists($v)) %}' } }),
    };
    expect((await run(machine(states), 1)).output).toEqual(['r', 'rule']);
    expect((await run(machine(states), 2)).output).toEqual({ in: 2, unset: true });
    expect((await run(machine(states), 3)).output).toEqual(['s', 'state']);
  });
});

describe('errors', () => {
  it("only the Catcher's Assign and Output run; its default output is Error and Cause", async () => {
    const { output } = await run(
      machine({
        T: task({
          Assign: { v: 'state' },
          Output: 'state',
          Catch: [{ ErrorEquals: ['E'], Assign: { w: 1 }, Next: 'C' }],
        }),
        C: pass({ Output: { in: '{% $states.input %}', v: '{% $exists($v) %}', w: '{% $w %}' } }),
      }),
      {},
      () => bad('E', '{"a":1}'),
    );
    expect(output).toEqual({ in: { Error: 'E', Cause: '{"a":1}' }, v: false, w: 1 });
  });

  it('a thrown error has the name that the function gave it', async () => {
    const { error, cause, events } = await run(machine({ T: task() }), {}, () =>
      bad('CloudFlow.Throttled', 'text'),
    );
    expect([error, cause]).toEqual(['CloudFlow.Throttled', 'text']);
    expect(events[4]?.taskFailedEventDetails).toEqual({
      resourceType: 'lambda',
      resource: 'invoke',
      error: 'CloudFlow.Throttled',
      cause: 'text',
    });
  });

  it('a Fail may name nothing, and is still caught', async () => {
    const { output } = await run(
      machine({
        P: {
          Type: 'Parallel',
          Branches: [scope({ F: { Type: 'Fail' } })],
          Catch: [{ ErrorEquals: ['States.ALL'], Next: 'C' }],
          End: true,
        },
        C: pass(),
      }),
    );
    expect(output).toEqual({ Error: '', Cause: '' });
    const { status, error, events } = await run(machine({ F: { Type: 'Fail' } }));
    expect([status, error]).toEqual(['FAILED', null]);
    expect(events.at(-1)?.executionFailedEventDetails).toEqual({});
  });

  const big = 'x'.repeat(262_144);

  it('a result that is too large is States.DataLimitExceeded', async () => {
    const { error, types } = await run(machine({ T: task() }), {}, () => ok(big));
    expect(error).toBe('States.DataLimitExceeded');
    expect(types.slice(-2)).toEqual(['TaskFailed', 'ExecutionFailed']);
  });

  it('which States.ALL and States.TaskFailed do not catch', async () => {
    for (const name of ['States.ALL', 'States.TaskFailed']) {
      const { error } = await run(
        machine({ T: task({ Catch: [{ ErrorEquals: [name], Next: 'C' }] }), C: pass() }),
        {},
        () => ok(big),
      );
      expect(error).toBe('States.DataLimitExceeded');
    }
  });

  it('and its own name on a Task does', async () => {
    const { status, output } = await run(
      machine({
        T: task({
          Catch: [
            { ErrorEquals: ['States.DataLimitExceeded'], Output: 'too large', Next: 'C' },
            { ErrorEquals: ['States.ALL'], Next: 'C' },
          ],
        }),
        C: pass(),
      }),
      {},
      () => ok(big),
    );
    expect([status, output]).toEqual(['SUCCEEDED', 'too large']);
  });

  it('a payload of exactly 256 KiB is allowed, and bytes count, not characters', async () => {
    const at = (payload: string) => run(machine({ P: pass({ Output: payload }) }), '');
    expect((await at('x'.repeat(262_142))).status).toBe('SUCCEEDED');
    expect((await at('x'.repeat(262_143))).error).toBe('States.DataLimitExceeded');
    expect((await at('é'.repeat(131_072))).error).toBe('States.DataLimitExceeded');
  });

  it('variables: 256 KiB in one Assign', async () => {
    const half = 'x'.repeat(140_000);
    const fits = await run(machine({ P: pass({ Assign: { a: '{% $states.input %}' } }) }), half);
    expect(fits.status).toBe('SUCCEEDED');
    const two = machine({
      P: pass({ Assign: { a: '{% $states.input %}', b: '{% $states.input %}' } }),
    });
    expect((await run(two, half)).error).toBe('States.DataLimitExceeded');
  });

  it('variables: 10 MiB in all', async () => {
    const states: Record<string, Json> = {};
    for (let i = 0; i < 44; i++) {
      states[`S${i}`] = pass({
        Assign: { [`v${i}`]: '{% $states.input %}' },
        ...(i < 43 ? { Next: `S${i + 1}` } : {}),
      });
    }
    const { error, types } = await run(machine(states), 'x'.repeat(250_000));
    expect(error).toBe('States.DataLimitExceeded');
    // 41 of 250,002 bytes fit into 10 MiB.
    expect(types.filter((type) => type === 'PassStateExited')).toHaveLength(41);
  });

  it('variables of scopes that have ended do not count', async () => {
    const { status } = await run(
      machine({
        M: {
          Type: 'Map',
          Items: '{% [1..50] %}',
          MaxConcurrency: 1,
          ItemSelector: '{% $states.input %}',
          ItemProcessor: scope({ P: pass({ Assign: { v: '{% $states.input %}' }, Output: 1 }) }),
          End: true,
        },
      }),
      'x'.repeat(250_000),
    );
    expect(status).toBe('SUCCEEDED');
  });

  it('event 25,000 is the failure of an execution that goes on too long', async () => {
    const { error, cause, events } = await run(
      machine({
        A: pass({ Next: 'C' }),
        C: { Type: 'Choice', Choices: [{ Condition: false, Next: 'E' }], Default: 'A' },
        E: { Type: 'Succeed' },
      }),
    );
    expect(error).toBe('States.Runtime');
    expect(cause).toBe('The execution reached the maximum number of history events (25000).');
    expect(events.at(-1)).toMatchObject({
      id: 25_000,
      previousEventId: 24_999,
      type: 'ExecutionFailed',
    });
  });
});

describe('scopes', () => {
  it('inner reads outer, branches are isolated, names vanish at the end', async () => {
    const branch = (name: string): Json =>
      scope({
        [`${name}1`]: pass({
          Assign: { own: name },
          Output: { outer: '{% $outer %}' },
          Next: `${name}2`,
        }),
        [`${name}2`]: pass({ Output: { in: '{% $states.input %}', own: '{% $own %}' } }),
      });
    const { output } = await run(
      machine({
        A: pass({ Assign: { outer: 'o' }, Next: 'P' }),
        P: { Type: 'Parallel', Branches: [branch('x'), branch('y')], Next: 'Z' },
        Z: pass({ Output: { in: '{% $states.input %}', own: '{% $exists($own) %}' } }),
      }),
    );
    expect(output).toEqual({
      in: [
        { in: { outer: 'o' }, own: 'x' },
        { in: { outer: 'o' }, own: 'y' },
      ],
      own: false,
    });
  });

  it("a Parallel's own Assign and its Catchers assign in the outer scope", async () => {
    const states = (failing: boolean): Record<string, Json> => ({
      P: {
        Type: 'Parallel',
        Branches: [scope({ B: failing ? { Type: 'Fail', Error: 'E' } : pass({ Output: 1 }) })],
        Assign: { got: '{% $states.result %}' },
        Catch: [
          { ErrorEquals: ['E'], Assign: { got: '{% $states.errorOutput.Error %}' }, Next: 'Z' },
        ],
        Next: 'Z',
      },
      Z: pass({ Output: '{% $got %}' }),
    });
    expect((await run(machine(states(false)))).output).toEqual([1]);
    expect((await run(machine(states(true)))).output).toBe('E');
  });
});

describe('child executions', () => {
  it('.sync:2 gives Output and Input as JSON, and a failed child a Cause that is a JSON string', async () => {
    const each = CASES['a child execution and a child that fails']!;
    const world = createWorld(each.handler);
    world.machines.set(CHILD_ARN, CHILD_MACHINE);
    const { output, events, seconds } = await finish(
      world,
      await begin(world, each.definition, each.input),
    );
    expect(output).toBe('Zero');
    expect(seconds).toBe(6);
    const succeeded = events.find(({ type }) => type === 'TaskSucceeded');
    expect(JSON.parse(succeeded?.taskSucceededEventDetails?.output ?? '')).toMatchObject({
      Status: 'SUCCEEDED',
      Input: { n: 3 },
      Output: { squared: 9 },
    });
    const failed = events.find(({ type }) => type === 'TaskFailed')?.taskFailedEventDetails;
    expect(failed).toMatchObject({
      resourceType: 'states',
      resource: 'startExecution.sync:2',
      error: 'States.TaskFailed',
    });
    expect(JSON.parse(failed?.cause ?? '')).toMatchObject({
      Error: 'Zero',
      Cause: 'n is zero',
      Status: 'FAILED',
      Input: '{"n":0}',
      Name: 'second',
    });
  });

  it('is stopped when the task that waits for it times out', async () => {
    const world = createWorld();
    world.machines.set(CHILD_ARN, machine({ W: { Type: 'Wait', Seconds: 500, End: true } }));
    const definition = machine({
      T: task({
        Resource: CHILD,
        Arguments: { StateMachineArn: CHILD_ARN, Name: 'kid' },
        TimeoutSeconds: 7,
      }),
    });
    const { error, seconds } = await finish(world, await begin(world, definition));
    expect([error, seconds]).toEqual(['States.Timeout', 7]);
    const child = await world.runtime.describeExecution(
      'arn:aws:states:local:000000000000:execution:child:kid',
    );
    expect(child?.status).toBe('ABORTED');
  });
});
