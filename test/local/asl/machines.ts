/** Machines that together hold every state and field, each with an input and the outside's answers. */
import type { Json, JsonObject } from '#core/json.ts';
import { bad, CHILD, type Handler, machine, ok, scope, TOKEN, task } from './harness.ts';

export interface Case {
  readonly definition: JsonObject;
  readonly input: Json;
  /** Answers by payload and attempt alone, so that repetition changes nothing. */
  readonly handler: Handler;
  readonly status: string;
}

export const CHILD_ARN = 'arn:aws:states:local:000000000000:stateMachine:child';

const echoed: Handler = ({ payload }) => ok(payload);

/** Fails until the state was retried so often. */
const after =
  (retries: number, error: string): Handler =>
  ({ retryCount, payload }) =>
    retryCount < retries ? bad(error, 'not yet') : ok(payload);

export const CASES: { readonly [name: string]: Case } = {
  'a chain with variables': {
    definition: machine({
      A: {
        Type: 'Pass',
        Assign: { x: 1, y: '{% $states.input.n + 1 %}' },
        Output: { doubled: '{% $states.input.n * 2 %}' },
        Next: 'B',
      },
      B: task({
        Arguments: { FunctionName: 'f', Payload: { x: '{% $x %}', in: '{% $states.input %}' } },
        Assign: { x: '{% $states.result.Payload.x + 1 %}' },
        Output: '{% $states.result.Payload %}',
        Next: 'C',
      }),
      C: { Type: 'Succeed', Output: { x: '{% $x %}', y: '{% $y %}', b: '{% $states.input %}' } },
    }),
    input: { n: 20 },
    handler: echoed,
    status: 'SUCCEEDED',
  },
  'a choice in a loop': {
    definition: machine({
      Init: { Type: 'Pass', Assign: { i: 0 }, Next: 'Check' },
      Check: {
        Type: 'Choice',
        Choices: [
          {
            Condition: '{% $i < 3 %}',
            Assign: { i: '{% $i + 1 %}' },
            Output: { round: '{% $i %}' },
            Next: 'Body',
          },
        ],
        Default: 'Done',
        Assign: { done: true },
        Output: { rounds: '{% $i %}' },
      },
      Body: { Type: 'Wait', Seconds: '{% $i %}', Next: 'Check' },
      Done: { Type: 'Pass', Output: { in: '{% $states.input %}', done: '{% $done %}' }, End: true },
    }),
    input: {},
    handler: echoed,
    status: 'SUCCEEDED',
  },
  'a task that is retried and then caught': {
    definition: machine({
      T: task({
        Retry: [
          { ErrorEquals: ['Soft'], IntervalSeconds: 2, BackoffRate: 3, MaxAttempts: 2 },
          { ErrorEquals: ['States.ALL'], IntervalSeconds: 1, MaxAttempts: 1 },
        ],
        Catch: [
          {
            ErrorEquals: ['States.ALL'],
            Assign: { error: '{% $states.errorOutput.Error %}' },
            Output: { cause: '{% $states.errorOutput.Cause %}' },
            Next: 'After',
          },
        ],
      }),
      After: {
        Type: 'Pass',
        Output: { error: '{% $error %}', cause: '{% $states.input.cause %}' },
        End: true,
      },
    }),
    input: {},
    handler: after(99, 'Soft'),
    status: 'SUCCEEDED',
  },
  'a parallel with arguments, a wait and a failing branch that is caught': {
    definition: machine({
      P: {
        Type: 'Parallel',
        Arguments: { n: '{% $states.input.n %}' },
        Branches: [
          scope({ A: task({ Output: '{% $states.result.Payload.n %}' }) }),
          scope({
            W: { Type: 'Wait', Seconds: 5, Next: 'F' },
            F: { Type: 'Fail', Error: 'Broken', Cause: '{% "n=" & $states.input.n %}' },
          }),
          scope({ L: { Type: 'Wait', Timestamp: '2026-01-01T00:01:00Z', End: true } }),
        ],
        Retry: [{ ErrorEquals: ['Broken'], MaxAttempts: 1, IntervalSeconds: 4 }],
        Catch: [{ ErrorEquals: ['Broken'], Assign: { e: '{% $states.errorOutput %}' }, Next: 'E' }],
        End: true,
      },
      E: { Type: 'Pass', Output: '{% $e %}', End: true },
    }),
    input: { n: 7 },
    handler: echoed,
    status: 'SUCCEEDED',
  },
  'a map with a selector, nested parallel and limited concurrency': {
    definition: machine({
      Pre: { Type: 'Pass', Assign: { base: 100 }, Next: 'M' },
      M: {
        Type: 'Map',
        Items: '{% $states.input.list %}',
        ItemSelector: {
          item: '{% $states.context.Map.Item.Value %}',
          index: '{% $states.context.Map.Item.Index %}',
        },
        MaxConcurrency: 2,
        ItemProcessor: {
          ProcessorConfig: { Mode: 'INLINE' },
          ...scope({
            P: {
              Type: 'Parallel',
              Branches: [
                scope({ X: task({ Output: '{% $states.result.Payload.item + $base %}' }) }),
                scope({
                  Y: {
                    Type: 'Wait',
                    Seconds: '{% $states.input.index + 1 %}',
                    Output: '{% $states.context.Map.Item.Index %}',
                    End: true,
                  },
                }),
              ],
              Assign: { both: '{% $states.result %}' },
              Next: 'Q',
            },
            Q: { Type: 'Pass', Output: { both: '{% $both %}' }, End: true },
          }),
        },
        Assign: { all: '{% $states.result %}' },
        Output: { n: '{% $count($states.result) %}', all: '{% $states.result %}' },
        End: true,
      },
    }),
    input: { list: [1, 2, 3, 4, 5] },
    handler: echoed,
    status: 'SUCCEEDED',
  },
  'a map whose iteration fails': {
    definition: machine({
      M: {
        Type: 'Map',
        ItemProcessor: scope({ T: task() }),
        End: true,
      },
    }),
    input: [1, 2, 3],
    handler: ({ payload }) => (payload === 2 ? bad('Two', 'it is two') : ok(payload)),
    status: 'FAILED',
  },
  'a token that is answered after heartbeats': {
    definition: machine({
      Ask: task({
        Resource: TOKEN,
        Arguments: { FunctionName: 'ask', Payload: { token: '{% $states.context.Task.Token %}' } },
        TimeoutSeconds: 100,
        HeartbeatSeconds: 10,
        Retry: [{ ErrorEquals: ['States.Timeout'], MaxAttempts: 1 }],
        Output: '{% $states.result %}',
      }),
    }),
    input: {},
    // The first attempt is never answered; the second has a heartbeat in time and then its answer.
    handler: ({ payload, retryCount }, { clock, live }) => {
      const { token } = payload as { token: string };
      // The outside asks again when the platform died before it answered.
      const later = (seconds: number, act: () => Promise<unknown>): void => {
        clock.schedule(clock.now() + seconds * 1000, () => {
          act().catch(() => later(0.1, act));
        });
      };
      if (retryCount === 1) {
        later(8, () => live.runtime.sendTaskHeartbeat(token));
        later(16, () => live.runtime.sendTaskSuccess(token, { approved: true }));
      }
      return ok(null);
    },
    status: 'SUCCEEDED',
  },
  'a child execution and a child that fails': {
    definition: machine({
      Start: task({
        Resource: CHILD,
        Arguments: {
          StateMachineArn: CHILD_ARN,
          Input: { n: '{% $states.input.n %}' },
        },
        Output: '{% $states.result.Output %}',
        Next: 'Again',
      }),
      Again: task({
        Resource: CHILD,
        Arguments: {
          StateMachineArn: CHILD_ARN,
          Input: { n: 0 },
          Name: 'second',
        },
        Catch: [
          {
            ErrorEquals: ['States.TaskFailed'],
            Output: '{% $parse($states.errorOutput.Cause).Error %}',
            Next: 'End',
          },
        ],
      }),
      End: { Type: 'Succeed' },
    }),
    input: { n: 3 },
    handler: echoed,
    status: 'SUCCEEDED',
  },
  'a named child that ends at once': {
    definition: machine({
      T: task({
        Resource: CHILD,
        Arguments: { StateMachineArn: `${CHILD_ARN}-at-once`, Input: { n: 1 }, Name: 'once' },
        Output: '{% $states.result.Output %}',
      }),
    }),
    input: {},
    handler: echoed,
    status: 'SUCCEEDED',
  },
  'an evaluation that fails inside a guard': {
    definition: machine({
      G: {
        Type: 'Parallel',
        Branches: [scope({ X: { Type: 'Pass', Output: '{% 1 + "a" %}', End: true } })],
        Catch: [
          {
            ErrorEquals: ['States.ALL'],
            Output: '{% $states.errorOutput.Error %}',
            Next: 'Handled',
          },
        ],
        End: true,
      },
      Handled: { Type: 'Succeed' },
    }),
    input: {},
    handler: echoed,
    status: 'SUCCEEDED',
  },
  'an execution that times out': {
    definition: machine(
      { W: { Type: 'Wait', Seconds: 5, Next: 'V' }, V: { Type: 'Wait', Seconds: 50, End: true } },
      { TimeoutSeconds: 20, Comment: 'too long' },
    ),
    input: {},
    handler: echoed,
    status: 'TIMED_OUT',
  },
};

/** What `a child execution …` starts: fails for n = 0. */
export const CHILD_MACHINE = machine({
  W: { Type: 'Wait', Seconds: 3, Next: 'C' },
  C: {
    Type: 'Choice',
    Choices: [{ Condition: '{% $states.input.n = 0 %}', Next: 'F' }],
    Default: 'S',
  },
  F: { Type: 'Fail', Error: 'Zero', Cause: 'n is zero' },
  S: { Type: 'Succeed', Output: { squared: '{% $states.input.n * $states.input.n %}' } },
});

export const CHILDREN: { readonly [stateMachineArn: string]: JsonObject } = {
  [CHILD_ARN]: CHILD_MACHINE,
  [`${CHILD_ARN}-at-once`]: machine({ S: { Type: 'Succeed' } }),
};
