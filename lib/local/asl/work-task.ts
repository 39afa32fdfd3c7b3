/** Tasks: scheduling an attempt, what the outside is asked, and how an attempt ends. */
import { isJsonObject, type Json, type JsonObject } from '#core/json.ts';
import type { TaskAttempt } from './execution.ts';
import { RUNTIME_ERROR, TASK_FAILED, TIMEOUT } from './failure.ts';
import type { ErrorDetails, Failure } from './history.ts';
import { LIMITS, RESOURCES, type TaskState, type Template } from './machine.ts';
import {
  allValues,
  ask,
  type Draft,
  draft,
  type Env,
  evaluationFailed,
  failed,
  failureNote,
  prefixed,
  rows,
  statesOf,
  tooManyBytes,
  UNTRUNCATED,
  type Visit,
  type Work,
  wrongType,
} from './work.ts';

/** Region in `TaskScheduled`; this machine is in none. */
const REGION = 'local';

/** Evaluates Arguments and the time limits, afresh for every attempt, and schedules it. */
export function scheduleTask(visit: Visit, state: TaskState, env: Env): Work {
  const token =
    state.resource === 'lambda-token' ? env.newToken(visit.execution.arn, visit.lane.id) : null;
  const states = statesOf(visit, {}, token === null ? {} : { Task: { Token: token } });
  const templates = [state.arguments, state.timeoutSeconds, state.heartbeatSeconds];
  return ask(visit, templates, states, (answers, later) => {
    const all = allValues(answers);
    if (!all.ok) return evaluationFailed(visit, all, later);
    const [parameters = null, timeout = null, heartbeat = null] = all.values;
    const text = JSON.stringify(parameters);
    const tooLarge = tooManyBytes(visit, text);
    if (tooLarge !== null) return failed(visit, tooLarge, later);
    const invalid = invalidParameters(state, parameters);
    if (invalid !== null) {
      const cause = prefixed(visit, invalid);
      return failed(visit, { error: RUNTIME_ERROR, cause }, later);
    }
    for (const [template, value] of [
      [state.timeoutSeconds, timeout],
      [state.heartbeatSeconds, heartbeat],
    ] as const) {
      if (template !== null && !isSeconds(value, 1)) {
        return wrongType(visit, fieldOf(template), 'a whole number above 0', value, later);
      }
    }
    const details = {
      ...RESOURCES[state.resource],
      region: REGION,
      parameters: text,
      ...(state.timeoutSeconds === null ? {} : { timeoutInSeconds: timeout as number }),
      ...(state.heartbeatSeconds === null ? {} : { heartbeatInSeconds: heartbeat as number }),
    };
    return rows(
      draft(
        visit.lane,
        'TaskScheduled',
        { taskScheduledEventDetails: details },
        token === null ? null : { kind: 'token', token },
      ),
      taskStarted(visit, state),
    );
  });
}

export function taskStarted(visit: Visit, state: TaskState): Draft {
  return draft(visit.lane, 'TaskStarted', { taskStartedEventDetails: RESOURCES[state.resource] });
}

/** What the started attempt asks of the outside. */
export function performTask(state: TaskState, task: TaskAttempt): Work {
  const parameters = task.parameters as JsonObject;
  if (state.resource === 'execution-sync') {
    return { kind: 'start-child', parameters, scheduledId: task.scheduledId };
  }
  return {
    kind: 'invoke',
    functionName: String(parameters['FunctionName']),
    payload: parameters['Payload'] ?? {},
  };
}

/** What was started waits on: a token's answer, or the end of a child execution. */
export function awaitTask(task: TaskAttempt): Work {
  return task.child === null ? { kind: 'idle' } : { kind: 'wait-child', executionArn: task.child };
}

/**
 * The attempt's outside began what it will finish later. The output is kept in the event alone.
 */
export function taskSubmitted(
  visit: Visit,
  state: TaskState,
  output: Json,
  executionArn: string | null,
): Draft {
  const text = JSON.stringify(output);
  return draft(
    visit.lane,
    'TaskSubmitted',
    {
      taskSubmittedEventDetails: {
        ...RESOURCES[state.resource],
        // AWS leaves an output that is too large out of the event; nothing reads it from there.
        output: text.length > LIMITS.payloadBytes ? '{}' : text,
        outputDetails: UNTRUNCATED,
      },
    },
    executionArn === null ? null : { kind: 'child', executionArn },
  );
}

export function taskSucceeded(visit: Visit, state: TaskState, output: Json, env: Env): Draft {
  const text = JSON.stringify(output);
  const tooLarge = tooManyBytes(visit, text);
  if (tooLarge !== null) return taskFailed(visit, state, tooLarge, env);
  const details = { ...RESOURCES[state.resource], output: text, outputDetails: UNTRUNCATED };
  return draft(visit.lane, 'TaskSucceeded', { taskSucceededEventDetails: details });
}

export function taskFailed(visit: Visit, state: TaskState, failure: Failure, env: Env): Draft {
  const details = { ...RESOURCES[state.resource], ...errorDetails(failure) };
  const note = failureNote(visit, failure, env);
  return draft(visit.lane, 'TaskFailed', { taskFailedEventDetails: details }, note);
}

/**
 * The attempt's end by time, if it is due. Both limits read States.Timeout and have no cause
 * (recorded); what was asked outside is not called back, its answer is dropped.
 */
export function taskTimedOut(
  visit: Visit,
  state: TaskState,
  task: TaskAttempt,
  env: Env,
): Draft | null {
  const timeout = task.deadline !== null && task.deadline <= env.now;
  const heartbeat = task.heartbeatDeadline !== null && task.heartbeatDeadline <= env.now;
  if (!timeout && !heartbeat) return null;
  const failure: Failure = { error: TIMEOUT, cause: null, heartbeat: !timeout };
  const details = { ...RESOURCES[state.resource], ...errorDetails(failure) };
  const note = failureNote(visit, failure, env);
  return draft(visit.lane, 'TaskTimedOut', { taskTimedOutEventDetails: details }, note);
}

/** The result of `lambda:invoke`: what AWS adds of its own SDK's response is left out. */
export function lambdaResult(payload: Json): JsonObject {
  return { ExecutedVersion: '$LATEST', Payload: payload, StatusCode: 200 };
}

export function errorDetails(failure: Failure): ErrorDetails {
  return {
    ...(failure.error === null ? {} : { error: failure.error }),
    ...(failure.cause === null ? {} : { cause: failure.cause }),
  };
}

/** How an execution ended, as DescribeExecution says it. */
export interface ChildOutcome {
  readonly executionArn: string;
  readonly stateMachineArn: string;
  readonly name: string;
  readonly status: 'SUCCEEDED' | 'FAILED' | 'TIMED_OUT' | 'ABORTED';
  readonly input: Json;
  readonly output: Json | null;
  readonly error: string | null;
  readonly cause: string | null;
  readonly startDate: number;
  readonly stopDate: number;
}

/** `.sync:2` gives Output and Input as JSON; a failed child's Cause is a JSON string (recorded). */
export function childEnded(visit: Visit, state: TaskState, child: ChildOutcome, env: Env): Draft {
  const common = {
    ExecutionArn: child.executionArn,
    Name: child.name,
    StartDate: child.startDate,
    StateMachineArn: child.stateMachineArn,
    Status: child.status,
    StopDate: child.stopDate,
  };
  if (child.status === 'SUCCEEDED') {
    const output = {
      ...common,
      Input: child.input,
      InputDetails: { Included: true },
      Output: child.output,
      OutputDetails: { Included: true },
    };
    return taskSucceeded(visit, state, output, env);
  }
  const cause = JSON.stringify({
    ...(child.cause === null ? {} : { Cause: child.cause }),
    ...(child.error === null ? {} : { Error: child.error }),
    Input: JSON.stringify(child.input),
    InputDetails: { Included: true },
    ...common,
  });
  return taskFailed(visit, state, { error: TASK_FAILED, cause }, env);
}

export function isSeconds(value: unknown, least: number): value is number {
  return (
    typeof value === 'number' &&
    Number.isInteger(value) &&
    value >= least &&
    value <= LIMITS.seconds
  );
}

/** Only for messages: a number field is one expression or a constant. */
export function fieldOf(template: Template): { location: string; source: string } {
  const expression = template.expressions[0];
  return expression ?? { location: '', source: JSON.stringify(template.json) };
}

/** What parseMachine could not see because it was the value of an expression. */
function invalidParameters(state: TaskState, parameters: Json): string | null {
  const required = state.resource === 'execution-sync' ? 'StateMachineArn' : 'FunctionName';
  if (!isJsonObject(parameters)) return `Arguments must be an object that holds '${required}'.`;
  const value = parameters[required];
  if (typeof value !== 'string' || value === '') return `'${required}' must be a string.`;
  const name = parameters['Name'];
  const isName = typeof name === 'string' && EXECUTION_NAME.test(name);
  return name === undefined || isName ? null : `'Name' is not a name for an execution.`;
}

/** What AWS takes as the name of an execution. */
export const EXECUTION_NAME = /^[^\s?*<>{}[\]"#%\\^|~`$&,;:/\p{Cc}\p{Cs}]{1,80}$/u;
