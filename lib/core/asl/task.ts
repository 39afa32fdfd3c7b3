import type { StepErrorName } from '#core/errors.ts';
import { isRetryableStepError, STEP_ERRORS, stepErrorCode } from '#core/errors.ts';
import { failures, timedOut } from '#core/execution/failures.ts';
import type { Expression, RetryPolicy, Step } from '#core/plan/program.ts';
import { expressionsOf } from '#core/plan/program.ts';
import { CLASS } from './classes.ts';
import { runnerBindings } from './expressions.ts';
import type { StepRunnerKind } from './payload.ts';
import { HALTED, RUNNER_UNAVAILABLE } from './payload.ts';
import type { RecordSource } from './records.ts';
import { caughtRecord, expression, plainSource, skippedSource, successSource } from './records.ts';
import { retrierOf } from './retry.ts';
import type { AslValue, Catcher, Retrier, TaskState } from './types.ts';
import type { Arrival, Exit, Place, Writing } from './writing.ts';
import { addState, after, arrive, leaving, recordOf, recordVariable } from './writing.ts';

const INVOKE = 'arn:aws:states:::lambda:invoke';

/** Repetitions that are no attempts (rule 18): the service, not the step, was in trouble. */
export const INFRASTRUCTURE_RETRIER: Retrier = {
  ErrorEquals: [
    'Lambda.ServiceException',
    'Lambda.AWSLambdaException',
    'Lambda.SdkClientException',
    'Lambda.TooManyRequestsException',
    RUNNER_UNAVAILABLE,
  ],
  IntervalSeconds: 1,
  BackoffRate: 2,
  MaxAttempts: 8,
  MaxDelaySeconds: 60,
  JitterStrategy: 'FULL',
};

/** Names that Amazon gives to what is `CloudFlow.Timeout` here. */
const PLATFORM_TIMEOUTS = ['States.Timeout', 'States.HeartbeatTimeout'];

/** What the taxonomy calls retryable, as a Retrier names it. */
export const RETRYABLE: readonly string[] = (Object.keys(STEP_ERRORS) as StepErrorName[])
  .map(stepErrorCode)
  .filter(isRetryableStepError);

/** Whole seconds after which a Task is given up whose work should have ended by itself before. */
export function backstopSeconds(ms: number): number {
  return Math.ceil(ms / 1_000) + 1;
}

/** Nobody but the Task itself ends this waiting; the plan has rounded it up to whole seconds. */
export function waitedSeconds(ms: number): number {
  return Math.ceil(ms / 1_000);
}

export interface RunnerTask {
  readonly name: string;
  readonly kind: StepRunnerKind;
  /** Besides what every payload has. */
  readonly payload: { readonly [name: string]: AslValue };
  /** The answer comes by task token. */
  readonly byToken?: boolean;
  readonly timeoutSeconds?: number;
  readonly heartbeatSeconds?: number;
  readonly retry?: Retrier | null;
}

/** A Task that invokes the step runner, with the records that the runner may not have yet. */
export function runnerTask(
  writing: Writing,
  place: Place,
  task: RunnerTask,
  arrival: Arrival,
): TaskState {
  const records = unreported(writing, place, arrival);
  return addState(place, task.name, {
    Type: 'Task',
    Resource: task.byToken === true ? `${INVOKE}.waitForTaskToken` : INVOKE,
    Arguments: {
      FunctionName: writing.stepRunner,
      Payload: {
        kind: task.kind,
        ...writing.common,
        ...task.payload,
        ...(task.byToken === true ? { token: expression('$states.context.Task.Token') } : {}),
        ...(records.length === 0 ? {} : { records }),
      },
    },
    ...(task.timeoutSeconds === undefined ? {} : { TimeoutSeconds: task.timeoutSeconds }),
    ...(task.heartbeatSeconds === undefined ? {} : { HeartbeatSeconds: task.heartbeatSeconds }),
    Retry: [INFRASTRUCTURE_RETRIER, ...(task.retry ? [task.retry] : [])],
  });
}

/**
 * Records for the runner, in topological order. A wait that is over is in none of the runner's own
 * records; any other success is, so it is not sent a second time.
 */
function unreported(writing: Writing, place: Place, arrival: Arrival): AslValue[] {
  return [...arrival.pending]
    .sort((a, b) => a.no - b.no)
    .map((step) => {
      const key = writing.keys.get(step.no);
      const { value } = recordOf(place, step);
      const variable = String(value).slice(2, -2).trim();
      const record =
        step.type === 'wait'
          ? value
          : expression(`${variable}.v.status = 'SUCCESS' ? null : ${variable}`);
      return { step: key ?? step.path, record };
    });
}

/** The step's key (events.ts), from the variables that count the iterations around it. */
export function keyOf(writing: Writing, place: Place, step: Step): AslValue {
  const key =
    place.indices.length === 0
      ? step.path
      : expression(
          `'${step.path}[' & ${place.indices.map((name) => `$${name}`).join(` & ',' & `)} & ']'`,
        );
  writing.keys.set(step.no, key);
  return key;
}

export function stepPayload(
  writing: Writing,
  place: Place,
  step: Step,
): { readonly step: AslValue; readonly repetition: AslValue } {
  return {
    step: keyOf(writing, place, step),
    repetition: expression('$states.context.State.RetryCount'),
  };
}

/** The result of a Task: by token it is the answer itself, else Lambda's envelope. */
export function resultPath(byToken: boolean): string {
  return byToken ? '$states.result' : '$states.result.Payload';
}

/** Nobody reads the output of such a step, so it is not kept in a variable. */
export function isLive(place: Place, step: Step): boolean {
  return place.outer !== null || step.live;
}

/**
 * The way out of a Task whose step failed: written into the step's record, whatever the reason.
 * Whether the runner knows of it cannot be told.
 */
export function failing(
  writing: Writing,
  place: Place,
  step: Step,
  state: { Catch?: Catcher[] },
  arrival: Arrival,
  attempts = '1',
): Exit[] {
  const k = step.continueOnFailure ? 'S' : 'F';
  const tooLarge = plainSource(k, {
    status: 'FAILED',
    error: { ...failures.tooLargeToCarry() },
    attempts: attempts === '0' ? 0 : 1,
  });
  const caught = caughtRecord(k, attempts, timedOut(step).message);
  const catchers = [
    catcher(place, step, ['States.DataLimitExceeded'], tooLarge.value),
    catcher(place, step, ['States.ALL'], caught),
  ];
  const exits = [catching(catchers, after(arrival, step, CLASS[k], false))];
  if (writing.program.onFailure === 'halt') {
    const halted = catcher(place, step, [HALTED], skippedSource('K', 'HALTED').value);
    catchers.unshift(halted);
    exits.push(catching([halted], after(arrival, step, CLASS.K, false)));
  }
  state.Catch = [...(state.Catch ?? []), ...catchers];
  return exits;
}

function catcher(place: Place, step: Step, errors: readonly string[], value: AslValue): Catcher {
  return {
    ErrorEquals: errors,
    Assign: { [recordVariable(place, step)]: value },
    Output: {},
    Next: '',
  };
}

export function catching(catchers: readonly Catcher[], arrival: Arrival): Exit {
  return {
    ...arrival,
    connect: (next) => {
      for (const one of catchers) one.Next = next;
    },
    finish: null,
  };
}

/**
 * Behind the Task that closes a container, what was in it is out of sight: another arm has other
 * variables. The runner has the records, unless the platform failed at this very Task.
 */
function outside(place: Place, arrival: Arrival): Arrival {
  const visible = (step: Step): boolean => {
    for (let at: Place | null = place; at !== null; at = at.outer) {
      if (at.scope.steps[step.index] === step) return true;
    }
    return false;
  };
  return { known: arrival.known, pending: new Set([...arrival.pending].filter(visible)) };
}

export interface StepTask {
  readonly kind: StepRunnerKind;
  /** Unset: the step's own name. */
  readonly name?: string;
  readonly payload: { readonly [name: string]: AslValue };
  /** What the runner evaluates when the step starts. */
  readonly evaluates?: Iterable<Expression>;
  readonly byToken?: boolean;
  readonly timeoutSeconds?: number;
  readonly heartbeatSeconds?: number;
  readonly retry?: RetryPolicy;
}

/** One Task is the whole step: success or failure becomes its record. */
export function stepTask(
  writing: Writing,
  place: Place,
  step: Step & { readonly result?: Expression | null },
  task: StepTask,
  incoming: readonly Exit[],
): Exit[] {
  const name = task.name ?? writing.names.step(step.path);
  const arrival = arrive(incoming, name);
  const expressions = [...(task.evaluates ?? []), ...expressionsAfter(step)];
  const byToken = task.byToken === true;
  const state = runnerTask(
    writing,
    place,
    {
      ...task,
      name,
      payload: {
        ...stepPayload(writing, place, step),
        ...task.payload,
        ...runnerBindings(place, expressions, step),
      },
      retry: task.retry === undefined ? null : retrierOf(task.retry, RETRYABLE, PLATFORM_TIMEOUTS),
    },
    arrival,
  );
  writing.hints.set(state, { works: step.type });
  const attempts = task.retry === undefined ? '1' : '$states.context.State.RetryCount + 1';
  const failed = failing(writing, place, step, state, outside(place, arrival), attempts);
  const success: RecordSource = successSource(resultPath(byToken), isLive(place, step));
  return [
    leaving(place, state, new Map([[step, success]]), after(arrival, step, CLASS.S, true)),
    ...failed,
  ];
}

/** What the runner evaluates once the step has its result. */
function expressionsAfter(step: Step & { readonly result?: Expression | null }): Expression[] {
  return [
    ...(step.result === undefined || step.result === null ? [] : [step.result]),
    ...(step.compensate === null ? [] : expressionsOf(step.compensate.config)),
  ];
}

/**
 * A Task that only hands over what is pending. If even that fails (the second exit), the execution goes on:
 * the records are missing from the history, and the outcome is the same.
 */
export function recordTask(
  writing: Writing,
  place: Place,
  name: string,
  incoming: readonly Exit[],
): [Exit, Exit] {
  const arrival = arrive(incoming, name);
  const state = runnerTask(writing, place, { name, kind: 'record', payload: {} }, arrival);
  const catcher: Catcher = { ErrorEquals: ['States.ALL'], Output: {}, Next: '' };
  state.Catch = [catcher];
  const handed: Arrival = { known: arrival.known, pending: new Set() };
  return [leaving(place, state, new Map(), handed), catching([catcher], handed)];
}
