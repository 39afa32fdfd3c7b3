import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import type { Json, JsonObject } from '#core/json.ts';
import {
  bad,
  CHILD,
  type Handler,
  machine,
  ok,
  run,
  START,
  scope,
  TOKEN,
  task,
} from './harness.ts';
import { CASES, CHILD_MACHINE } from './machines.ts';

describe('events have the shape of GetExecutionHistory', () => {
  it('with details, ids and what each follows', async () => {
    const { status, output, events } = await run(
      machine({
        Start: {
          Type: 'Pass',
          Assign: { text: 'foobar', number: '{% $states.input.a %}' },
          End: true,
        },
      }),
      { a: 1 },
    );
    expect([status, output]).toEqual(['SUCCEEDED', { a: 1 }]);
    const timestamp = '2026-01-01T00:00:00.000Z';
    const text = '{"a":1}';
    const truncated = { truncated: false };
    expect(events).toEqual([
      {
        id: 1,
        previousEventId: 0,
        timestamp,
        type: 'ExecutionStarted',
        executionStartedEventDetails: {
          input: text,
          inputDetails: truncated,
          roleArn: 'arn:aws:iam::000000000000:role/local',
        },
      },
      {
        id: 2,
        previousEventId: 0,
        timestamp,
        type: 'PassStateEntered',
        stateEnteredEventDetails: { name: 'Start', input: text, inputDetails: truncated },
      },
      {
        id: 3,
        previousEventId: 2,
        timestamp,
        type: 'PassStateExited',
        stateExitedEventDetails: {
          name: 'Start',
          output: text,
          outputDetails: truncated,
          assignedVariables: { text: '"foobar"', number: '1' },
          assignedVariablesDetails: truncated,
        },
      },
      {
        id: 4,
        previousEventId: 3,
        timestamp,
        type: 'ExecutionSucceeded',
        executionSucceededEventDetails: { output: text, outputDetails: truncated },
      },
    ]);
  });

  it('for a task: scheduled with its evaluated parameters and limits, started, succeeded', async () => {
    const { events } = await run(
      machine({
        T: task({ TimeoutSeconds: '{% $states.input.limit %}', HeartbeatSeconds: 2 }),
      }),
      { limit: 9 },
    );
    expect(events.slice(2, 5)).toMatchObject([
      {
        type: 'TaskScheduled',
        previousEventId: 2,
        taskScheduledEventDetails: {
          resourceType: 'lambda',
          resource: 'invoke',
          region: 'local',
          parameters: '{"FunctionName":"f","Payload":{"limit":9}}',
          timeoutInSeconds: 9,
          heartbeatInSeconds: 2,
        },
      },
      {
        type: 'TaskStarted',
        previousEventId: 3,
        taskStartedEventDetails: { resourceType: 'lambda', resource: 'invoke' },
      },
      {
        type: 'TaskSucceeded',
        previousEventId: 4,
        taskSucceededEventDetails: {
          resourceType: 'lambda',
          resource: 'invoke',
          output: '{"ExecutedVersion":"$LATEST","Payload":{"limit":9},"StatusCode":200}',
        },
      },
    ]);
  });

  it('for a map: successes and ends chain past each other as recorded', async () => {
    const { events } = await run(
      machine({
        M: {
          Type: 'Map',
          Items: [10, 20],
          MaxConcurrency: 1,
          ItemProcessor: scope({ P: { Type: 'Pass', End: true } }),
          End: true,
        },
      }),
    );
    expect(events.map(({ id, previousEventId, type }) => [id, previousEventId, type])).toEqual([
      [1, 0, 'ExecutionStarted'],
      [2, 0, 'MapStateEntered'],
      [3, 2, 'MapStateStarted'],
      [4, 3, 'MapIterationStarted'],
      [5, 4, 'PassStateEntered'],
      [6, 5, 'PassStateExited'],
      [7, 6, 'MapIterationSucceeded'],
      [8, 6, 'MapIterationStarted'],
      [9, 8, 'PassStateEntered'],
      [10, 9, 'PassStateExited'],
      [11, 10, 'MapIterationSucceeded'],
      [12, 10, 'MapStateSucceeded'],
      [13, 10, 'MapStateExited'],
      [14, 13, 'ExecutionSucceeded'],
    ]);
    expect(events[2]?.mapStateStartedEventDetails).toEqual({ length: 2 });
    expect(events[7]?.mapIterationStartedEventDetails).toEqual({ name: 'M', index: 1 });
  });

  it('for a map that fails, as recorded', async () => {
    const { events, error, cause } = await run(
      machine({
        M: {
          Type: 'Map',
          Items: [1],
          ItemProcessor: scope({ F: { Type: 'Fail', Error: 'SomeFailure', Cause: 'so' } }),
          End: true,
        },
      }),
    );
    expect([error, cause]).toEqual(['SomeFailure', 'so']);
    expect(
      events.slice(4).map(({ id, previousEventId, type }) => [id, previousEventId, type]),
    ).toEqual([
      [5, 4, 'FailStateEntered'],
      [6, 5, 'MapIterationFailed'],
      [7, 5, 'MapStateFailed'],
      [8, 7, 'ExecutionFailed'],
    ]);
  });

  it('for an evaluation that fails: place, state and the words of AWS', async () => {
    const { events, error, cause } = await run(
      machine({
        P: { Type: 'Pass', Output: { rows: [1, '{% $states.input.absent %}'] }, End: true },
      }),
    );
    const words =
      "An error occurred while executing the state 'P' (entered at the event id #2). The JSONata expression '$states.input.absent' specified for the field 'Output/rows[1]' returned nothing (undefined).";
    expect([error, cause]).toEqual(['States.QueryEvaluationError', words]);
    expect(events[2]).toMatchObject({
      type: 'EvaluationFailed',
      evaluationFailedEventDetails: {
        error: 'States.QueryEvaluationError',
        cause: words,
        location: 'Output/rows[1]',
        state: 'P',
      },
    });
  });
});

interface Row {
  readonly name: string;
  readonly states: Record<string, Json>;
  readonly input?: Json;
  readonly handler?: Handler;
  readonly output?: Json;
  readonly error?: string;
  /** Event types between ExecutionStarted and the end. */
  readonly types: string;
  readonly seconds?: number;
}

/** `Pass+` stands for entered, `Pass-` for exited. */
function short(types: readonly string[]): string {
  return types
    .slice(1)
    .map((type) => type.replace('StateEntered', '+').replace('StateExited', '-'))
    .map((type) => type.replace('Execution', '').replace('Iteration', 'It').replace('State', ''))
    .join(' ');
}

const pass = (more: JsonObject = {}): JsonObject => ({
  Type: 'Pass',
  ...more,
  ...('Next' in more ? {} : { End: true }),
});

const TABLE: readonly Row[] = [
  {
    name: 'Pass gives its Output',
    states: { A: pass({ Output: [1, '{% $states.input.x %}'], Next: 'B' }), B: pass() },
    input: { x: 'y' },
    output: [1, 'y'],
    types: 'Pass+ Pass- Pass+ Pass- Succeeded',
  },
  {
    name: 'an empty Output is an empty object, blanks around marks make a constant',
    states: { A: pass({ Output: { e: {}, c: ' {% states %} ', d: '$states.input' } }) },
    output: { e: {}, c: ' {% states %} ', d: '$states.input' },
    types: 'Pass+ Pass- Succeeded',
  },
  {
    name: 'Task gives its result by default',
    states: { T: task() },
    input: 5,
    output: { ExecutedVersion: '$LATEST', Payload: 5, StatusCode: 200 },
    types: 'Task+ TaskScheduled TaskStarted TaskSucceeded Task- Succeeded',
  },
  {
    name: 'Choice takes the first true rule',
    states: {
      C: {
        Type: 'Choice',
        Choices: [
          { Condition: '{% $states.input.n > 10 %}', Next: 'X' },
          { Condition: '{% $states.input.n > 1 %}', Output: 'two', Next: 'Y' },
          { Condition: '{% $states.input.n > 0 %}', Output: 'three', Next: 'X' },
        ],
        Default: 'X',
      },
      X: pass({ Output: 'x' }),
      Y: pass(),
    },
    input: { n: 5 },
    output: 'two',
    types: 'Choice+ Choice- Pass+ Pass- Succeeded',
  },
  {
    name: 'a Choice that nothing matches and without Default fails as AWS does',
    states: {
      C: { Type: 'Choice', Choices: [{ Condition: '{% false %}', Next: 'X' }] },
      X: pass(),
    },
    error: 'States.Runtime',
    types: 'Choice+ Failed',
  },
  {
    name: 'a condition that is not true or false fails the execution',
    states: {
      C: { Type: 'Choice', Choices: [{ Condition: '{% "yes" %}', Next: 'X' }], Default: 'X' },
      X: pass(),
    },
    error: 'States.QueryEvaluationError',
    types: 'Choice+ EvaluationFailed Failed',
  },
  {
    name: 'Wait waits for Seconds',
    states: { W: { Type: 'Wait', Seconds: 30, Output: 'woke', End: true } },
    output: 'woke',
    types: 'Wait+ Wait- Succeeded',
    seconds: 30,
  },
  {
    name: 'Wait waits until a Timestamp, and not at all for a past one',
    states: {
      A: { Type: 'Wait', Timestamp: '{% $states.input.at %}', Next: 'B' },
      B: { Type: 'Wait', Timestamp: '2020-01-01T00:00:00Z', End: true },
    },
    input: { at: '2026-01-01T01:00:00+00:30' },
    output: { at: '2026-01-01T01:00:00+00:30' },
    types: 'Wait+ Wait- Wait+ Wait- Succeeded',
    seconds: 1800,
  },
  {
    name: 'Wait refuses a Seconds that is no whole number',
    states: { W: { Type: 'Wait', Seconds: '{% 1.5 %}', End: true } },
    error: 'States.QueryEvaluationError',
    types: 'Wait+ EvaluationFailed Failed',
  },
  {
    name: 'Parallel gives its branches the same input and joins in order',
    states: {
      P: {
        Type: 'Parallel',
        Branches: [
          scope({ W: { Type: 'Wait', Seconds: 2, Output: '{% $states.input %}', End: true } }),
          scope({ A: pass({ Output: '{% $states.input + 1 %}' }) }),
        ],
        End: true,
      },
    },
    input: 1,
    output: [1, 2],
    types:
      'Parallel+ ParallelStarted Wait+ Pass+ Pass- Wait- ParallelSucceeded Parallel- Succeeded',
    seconds: 2,
  },
  {
    name: 'Parallel fails with the error of its branch and aborts the others',
    states: {
      P: {
        Type: 'Parallel',
        Branches: [scope({ W: { Type: 'Wait', Seconds: 9, End: true } }), scope({ T: task() })],
        Catch: [{ ErrorEquals: ['Bad'], Next: 'C' }],
        End: true,
      },
      C: pass(),
    },
    handler: () => bad('Bad', 'very'),
    output: { Error: 'Bad', Cause: 'very' },
    types:
      'Parallel+ ParallelStarted Wait+ Task+ TaskScheduled TaskStarted TaskFailed TaskAborted WaitAborted ParallelFailed Parallel- Pass+ Pass- Succeeded',
    seconds: 0,
  },
  {
    name: 'Map over its input, without a selector',
    states: { M: { Type: 'Map', ItemProcessor: scope({ S: { Type: 'Succeed' } }), End: true } },
    input: ['a'],
    output: ['a'],
    types:
      'Map+ MapStarted MapItStarted Succeed+ Succeed- MapItSucceeded MapSucceeded Map- Succeeded',
  },
  {
    name: 'Map over nothing',
    states: { M: { Type: 'Map', Items: [], ItemProcessor: scope({ S: pass() }), End: true } },
    output: [],
    types: 'Map+ MapStarted MapSucceeded Map- Succeeded',
  },
  {
    name: 'Map whose Items are no list, caught',
    states: {
      M: {
        Type: 'Map',
        Items: '{% $states.input %}',
        ItemProcessor: scope({ S: pass() }),
        Catch: [
          { ErrorEquals: ['States.ALL'], Output: '{% $states.errorOutput.Error %}', Next: 'C' },
        ],
        End: true,
      },
      C: pass(),
    },
    output: 'States.QueryEvaluationError',
    types: 'Map+ EvaluationFailed Map- Pass+ Pass- Succeeded',
  },
  {
    name: 'Map whose ItemSelector fails, caught by the Map',
    states: {
      M: {
        Type: 'Map',
        Items: [1, 2],
        ItemSelector: '{% $states.context.Map.Item.Value.absent %}',
        MaxConcurrency: 1,
        ItemProcessor: scope({ S: pass() }),
        Catch: [
          { ErrorEquals: ['States.ALL'], Output: '{% $states.errorOutput.Error %}', Next: 'C' },
        ],
        End: true,
      },
      C: pass(),
    },
    output: 'States.QueryEvaluationError',
    types: 'Map+ MapStarted EvaluationFailed MapFailed Map- Pass+ Pass- Succeeded',
  },
  {
    name: 'Succeed ends with its Output',
    states: { S: { Type: 'Succeed', Output: { done: '{% $states.input.n %}' } } },
    input: { n: 1 },
    output: { done: 1 },
    types: 'Succeed+ Succeed- Succeeded',
  },
  {
    name: 'Fail evaluates Error and Cause',
    states: {
      F: { Type: 'Fail', Error: '{% $states.input.code %}', Cause: '{% "c" & "d" %}' },
    },
    input: { code: 'Mine' },
    error: 'Mine',
    types: 'Fail+ Failed',
  },
  {
    name: 'a task token: submitted, then succeeded with what it was answered',
    states: {
      T: task({
        Resource: TOKEN,
        Arguments: { FunctionName: 'ask', Payload: { t: '{% $states.context.Task.Token %}' } },
      }),
    },
    handler: ({ payload, token }, { clock, live }) => {
      if ((payload as JsonObject)['t'] !== token) return bad('WrongToken');
      clock.schedule(clock.now() + 4000, () => {
        void live.runtime.sendTaskSuccess(token ?? '', { yes: 1 });
      });
      return ok('noted');
    },
    output: { yes: 1 },
    types: 'Task+ TaskScheduled TaskStarted TaskSubmitted TaskSucceeded Task- Succeeded',
    seconds: 4,
  },
  {
    name: 'a task token whose function throws: failed, not submitted',
    states: { T: task({ Resource: TOKEN }) },
    handler: () => bad('Oops'),
    error: 'Oops',
    types: 'Task+ TaskScheduled TaskStarted TaskFailed Failed',
  },
  {
    name: 'a child whose machine does not exist',
    states: {
      T: task({
        Resource: CHILD,
        Arguments: { StateMachineArn: 'arn:aws:states:local:0:stateMachine:none' },
      }),
    },
    error: 'StepFunctions.StateMachineDoesNotExistException',
    types: 'Task+ TaskScheduled TaskStarted TaskFailed Failed',
  },
];

describe('every construct', () => {
  it.each(TABLE)('$name', async ({ states, input, handler, types, seconds, ...expected }) => {
    const outcome = await run(machine(states), input ?? {}, handler);
    expect(short(outcome.types)).toBe(types);
    expect(outcome.output).toEqual(expected.output ?? null);
    expect(outcome.error).toBe(expected.error ?? null);
    if (seconds !== undefined) expect(outcome.seconds).toBe(seconds);
  });

  it('sees the context object', async () => {
    const context = '{% $states.context %}';
    const { output } = await run(
      machine({
        P: pass({ Output: { p: context }, Next: 'T' }),
        T: task({
          Arguments: {
            FunctionName: 'f',
            Payload: { before: '{% $states.input.p %}', t: context },
          },
          Output: '{% $states.result.Payload %}',
          Next: 'M',
        }),
        M: {
          Type: 'Map',
          Items: ['only'],
          ItemProcessor: scope({
            I: pass({ Output: '{% $states.context.Map.Item %}' }),
          }),
          Output: { before: '{% $states.input %}', item: '{% $states.result[0] %}' },
          End: true,
        },
      }),
      { i: 1 },
    );
    const execution = {
      Id: 'arn:aws:states:local:000000000000:execution:m:run-1',
      Input: { i: 1 },
      Name: 'run-1',
      RoleArn: 'arn:aws:iam::000000000000:role/local',
      StartTime: '2026-01-01T00:00:00.000Z',
      RedriveCount: 0,
    };
    const stateMachine = { Id: 'arn:aws:states:local:000000000000:stateMachine:m', Name: 'm' };
    const EnteredTime = new Date(START).toISOString();
    expect(output).toEqual({
      before: {
        before: {
          Execution: execution,
          StateMachine: stateMachine,
          State: { Name: 'P', EnteredTime },
        },
        t: {
          Execution: execution,
          StateMachine: stateMachine,
          State: { Name: 'T', EnteredTime, RetryCount: 0 },
        },
      },
      item: { Index: 0, Value: 'only' },
    });
  });

  it('asks the evaluator once per template, and not at all for constants', async () => {
    const { world, output } = await run(
      machine({
        A: pass({ Output: { constant: true }, Assign: { v: 7, big: 'unused' }, Next: 'B' }),
        B: pass({ Output: ['{% $v %}', '{% $v + 1 %}'], Assign: { w: '{% $v + 2 %}' } }),
      }),
    );
    expect(output).toEqual([7, 8]);
    expect(world.asked).toHaveLength(1);
    expect(world.asked[0]).toMatchObject({
      tenant: 't',
      dialect: 'aws',
      expressions: ['$v + 2', '$v', '$v + 1'],
    });
    expect(Object.keys(world.asked[0]?.bindings ?? {})).toEqual(['states', 'v']);
  });
});

// The package brings no types of its own.
const validate = createRequire(import.meta.url)('asl-validator') as (definition: unknown) => {
  readonly isValid: boolean;
  errorsText(): string;
};

describe('asl-validator agrees that the test machine is valid:', () => {
  it.each(Object.entries({ ...CASES, child: { definition: CHILD_MACHINE } }))(
    '%s',
    (_name, { definition }) => {
      // It writes into what it is given.
      const { isValid, errorsText } = validate(structuredClone(definition));
      expect(isValid, errorsText()).toBe(true);
    },
  );
});
