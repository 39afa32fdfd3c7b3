import { stepErrorCode } from '#core/errors.ts';
import { failures } from '#core/execution/failures.ts';
import type { Step } from '#core/plan/program.ts';
import { expressionsOf } from '#core/plan/program.ts';
import { CLASS, classesOf } from './classes.ts';
import { classesThatMayFail, outputsTemplate } from './container.ts';
import { runnerBindings } from './expressions.ts';
import { viaDefault, viaRule } from './gate.ts';
import { caughtError, expression, quote } from './records.ts';
import { INFRASTRUCTURE_RETRIER, RETRYABLE, runnerTask } from './task.ts';
import type { AslValue, Catcher, Chart, ChoiceState, MapState } from './types.ts';
import type { Arrival, Exit, Place, Writing } from './writing.ts';
import { addState, arrive, leaving, recordOf } from './writing.ts';

/** Variables of the end. */
const ERROR = 'cf_error';
const LEDGER = 'cf_ledger';
const UNDONE = 'cf_undone';
const END = 'cf_end';

/** Rule 32: a compensation is repeated three times, after 2, 4 and 8 s. */
const COMPENSATION_RETRIER = {
  ErrorEquals: [...RETRYABLE, 'States.Timeout', 'States.HeartbeatTimeout'],
  IntervalSeconds: 2,
  BackoffRate: 2,
  MaxAttempts: 3,
};

/** Lambda's own limit, and a second. */
const COMPENSATION_SECONDS = 901;

/**
 * The end of the workflow, after the drain (rules 29 to 33): decide, then either report the output, or
 * undo what is in the ledger one by one, report the failure and fail.
 */
export function emitEnd(writing: Writing, place: Place, exits: readonly Exit[]): void {
  const good: Exit[] = [];
  const open: Exit[] = [];
  for (const exit of exits) {
    const mayFail = place.scope.steps.some((step) => canFail(exit, step));
    (mayFail ? open : good).push(exit);
  }
  const bad: Exit[] = [];
  if (open.length > 0) {
    const name = writing.names.helper('', 'cf.decide');
    const arrival = arrive(open, name);
    const sources = (step: Step) => recordOf(place, step);
    const classes = classesThatMayFail(place.scope, arrival.known, sources) ?? '[]';
    const failed = {
      Condition: expression(`'F' in ${classes}`),
      Assign: { [ERROR]: firstFailure(place, arrival) },
      Next: '',
    };
    const choice: ChoiceState = { Type: 'Choice', Choices: [failed], Default: '' };
    addState(place, name, choice);
    bad.push(viaRule(writing, choice, failed, arrival, false));
    if (exits.some((exit) => !surelyFails(place, exit))) {
      good.push(happily(writing, choice, viaDefault(choice, arrival)));
    } else good.push(viaDefault(choice, arrival));
  }
  bad.push(...complete(writing, place, good));
  fail(writing, place, bad);
}

function canFail(way: Arrival, step: Step): boolean {
  return (classesOf(way.known, step.no) & CLASS.F) !== 0;
}

function surelyFails(place: Place, way: Arrival): boolean {
  return place.scope.steps.some((step) => classesOf(way.known, step.no) === CLASS.F);
}

function happily(writing: Writing, choice: ChoiceState, exit: Exit): Exit {
  return {
    ...exit,
    connect: (next) => {
      exit.connect(next);
      writing.hints.set(choice, { happy: next });
    },
  };
}

/** The failed step that comes first in topological order. */
function firstFailure(place: Place, arrival: Arrival): AslValue {
  const steps = place.scope.steps
    .filter((step) => canFail(arrival, step))
    .sort((a, b) => a.no - b.no)
    .map((step) => {
      const record = String(recordOf(place, step).value).slice(2, -2).trim();
      return `{'step': ${quote(step.path)}, 'k': ${record}.k, 'error': ${record}.v.error}`;
    });
  return expression(
    `($f := [${steps.join(', ')}][k = 'F'][0]; ` +
      `{'step': $f.step, 'code': $f.error.code, 'message': $f.error.message})`,
  );
}

/** Reports the output, which the runner evaluates (rule 33); answers with the ways on which that fails. */
function complete(writing: Writing, place: Place, good: readonly Exit[]): Exit[] {
  if (good.length === 0) return [];
  const { output } = writing.program;
  const name = writing.names.helper('', 'cf.report');
  const arrival = arrive(good, name);
  const state = runnerTask(
    writing,
    place,
    {
      name,
      kind: 'report',
      payload: {
        status: 'COMPLETED',
        ...(output === null
          ? { output: outputsTemplate(place.scope, (step) => recordOf(place, step)) }
          : runnerBindings(place, [...expressionsOf(output)], null)),
      },
    },
    arrival,
  );
  state.Output = expression('$states.result.Payload.output');
  state.End = true;
  const catchers = [
    outputFailed(['States.DataLimitExceeded'], {
      step: null,
      ...failures.tooLargeToCarry(),
    }),
    outputFailed(
      [stepErrorCode('ExpressionError'), stepErrorCode('OutputTooLarge')],
      expression(`$merge([{'step': null}, ${caughtError(failures.internal().message)}])`),
    ),
  ];
  state.Catch = catchers;
  return [
    {
      ...arrival,
      connect: (next) => {
        for (const catcher of catchers) catcher.Next = next;
      },
      finish: null,
    },
  ];
}

function outputFailed(errors: readonly string[], error: AslValue): Catcher {
  return { ErrorEquals: errors, Assign: { [ERROR]: error }, Output: {}, Next: '' };
}

function fail(writing: Writing, place: Place, bad: readonly Exit[]): void {
  if (bad.length === 0) return;
  let ways = bad;
  if (writing.program.compensates) ways = compensate(writing, place, ways);
  const name = writing.names.helper('', 'cf.report-failure');
  const arrival = arrive(ways, name);
  const state = runnerTask(
    writing,
    place,
    {
      name,
      kind: 'report',
      payload: {
        status: 'FAILED',
        error: expression(`$${ERROR}`),
        compensations: writing.program.compensates ? expression(`$${UNDONE}`) : [],
      },
    },
    arrival,
  );
  state.Assign = { [END]: expression('$states.result.Payload') };
  const failed = writing.names.helper('', 'cf.failed');
  state.Output = {};
  state.Next = failed;
  // Whoever cannot be told is told by the end of the execution itself.
  state.Catch = [
    {
      ErrorEquals: ['States.ALL'],
      Assign: {
        [END]: {
          error: expression(`$${ERROR}.code`),
          cause: expression(`$string($${ERROR})`),
        },
      },
      Output: {},
      Next: failed,
    },
  ];
  addState(place, failed, {
    Type: 'Fail',
    Error: expression(`$${END}.error`),
    Cause: expression(`$${END}.cause`),
  });
}

/** One compensation at a time in the order that the runner gives; a failed one stops nothing. */
function compensate(writing: Writing, place: Place, bad: readonly Exit[]): Exit[] {
  const listName = writing.names.helper('', 'cf.ledger');
  const mapName = writing.names.helper('', 'cf.compensate');
  const arrival = arrive(bad, listName);
  const list = runnerTask(
    writing,
    place,
    { name: listName, kind: 'ledger', payload: { error: expression(`$${ERROR}`) } },
    arrival,
  );
  list.Assign = { [LEDGER]: expression('$states.result.Payload.steps') };
  const unlisted: Catcher = {
    ErrorEquals: ['States.ALL'],
    Assign: { [UNDONE]: [] },
    Output: {},
    Next: '',
  };
  list.Catch = [unlisted];
  const listed: Arrival = { known: arrival.known, pending: new Set() };
  arrive([leaving(place, list, new Map(), listed)], mapName);

  const map: MapState = addState(place, mapName, {
    Type: 'Map',
    Items: expression(`$${LEDGER}`),
    ItemSelector: { step: expression('$states.context.Map.Item.Value') },
    MaxConcurrency: 1,
    ItemProcessor: { ProcessorConfig: { Mode: 'INLINE' }, ...undoOne(writing) },
    Assign: { [UNDONE]: expression('$states.result') },
  });
  writing.hints.set(map, { times: entries(writing) });
  return [
    leaving(place, map, new Map(), listed),
    {
      ...arrival,
      connect: (next) => {
        unlisted.Next = next;
      },
      finish: null,
    },
  ];
}

/** A child that undoes is waited for in the Task, by the same code and as long as on the engine. */
function undoOne(writing: Writing): Chart {
  const name = writing.names.helper('', 'cf.undo');
  const failed = writing.names.helper('', 'cf.undo-failed');
  return {
    StartAt: name,
    States: {
      [name]: {
        Type: 'Task',
        Resource: 'arn:aws:states:::lambda:invoke',
        Arguments: {
          FunctionName: writing.stepRunner,
          Payload: {
            kind: 'compensate',
            ...writing.common,
            step: expression('$states.input.step'),
            repetition: expression('$states.context.State.RetryCount'),
          },
        },
        TimeoutSeconds: COMPENSATION_SECONDS,
        Retry: [INFRASTRUCTURE_RETRIER, COMPENSATION_RETRIER],
        Catch: [
          {
            ErrorEquals: ['States.ALL'],
            Output: {
              step: expression('$states.input.step'),
              error: expression(
                caughtError(failures.attemptTimedOut(COMPENSATION_SECONDS * 1_000).message),
              ),
            },
            Next: failed,
          },
        ],
        Output: {},
        End: true,
      },
      // A Catcher cannot end a chart.
      [failed]: { Type: 'Pass', End: true },
    },
  };
}

/** How many entries a ledger can have at most, for the costs. */
function entries(writing: Writing): number {
  const count = (steps: readonly Step[]): number =>
    steps.reduce((sum, step) => {
      const own = step.compensate === null ? 0 : 1;
      const inner = innerSteps(step).reduce((most, scope) => most + count(scope), 0);
      return sum + own + timesOf(step) * inner;
    }, 0);
  return count(writing.program.root.steps);
}

function innerSteps(step: Step): (readonly Step[])[] {
  switch (step.type) {
    case 'for_each':
    case 'loop':
    case 'group':
      return [step.body.steps];
    case 'branch':
      return [
        ...step.cases.map(({ body }) => body.steps),
        ...(step.otherwise === null ? [] : [step.otherwise.steps]),
      ];
    default:
      return [];
  }
}

function timesOf(step: Step): number {
  if (step.type === 'for_each') return step.maxItems;
  return step.type === 'loop' ? step.maxIterations : 1;
}
