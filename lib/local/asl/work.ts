/**
 * What a lane can be asked to do, and what the kinds of states have in common: what expressions
 * see, how a state is left, how it fails.
 *
 *  W1 work is pure and asked for again it is the same, so a crash before its rows were stored costs
 *     only the repetition (a Task: at least once, as Lambda has it).
 *  W2 nothing outside is asked before the row that records the question is stored, and what it is
 *     asked comes from that row: Arguments from TaskScheduled, times from rows.
 *  W3 `Assign` and `Output` are evaluated together, over the values of the state's entry.
 */
import { type Json, type JsonObject, utf8Length } from '#core/json.ts';
import type { Ask, Filled } from './evaluate.ts';
import type { Execution, Frame, Lane } from './execution.ts';
import { DATA_LIMIT, planFailure, QUERY_ERROR } from './failure.ts';
import type { Failure, HistoryEvent, HistoryEventType, Note } from './history.ts';
import { type Exit, LIMITS, type Template } from './machine.ts';

/** A row to be: the runtime gives it its number, its id, its time and what it follows. */
export interface Draft {
  readonly lane: string;
  readonly event: { readonly type: HistoryEventType; readonly details: EventDetails } | null;
  readonly note: Note | null;
  /** The lane whose last event this one follows, when it is not its own. */
  readonly follows?: string;
}

export type EventDetails = Omit<
  Partial<HistoryEvent>,
  'id' | 'previousEventId' | 'timestamp' | 'type'
>;

export type Work =
  | { readonly kind: 'rows'; readonly rows: readonly Draft[] }
  | { readonly kind: 'ask'; readonly ask: Ask; readonly then: Then }
  | { readonly kind: 'invoke'; readonly functionName: string; readonly payload: Json }
  | { readonly kind: 'start-child'; readonly parameters: JsonObject; readonly scheduledId: number }
  | { readonly kind: 'wait-child'; readonly executionArn: string }
  /** Nothing to do before a timer, a token or another lane. */
  | { readonly kind: 'idle' };

export type Then = (answers: readonly Filled[], env: Env) => Work;

/** What is not in the history yet: the present, chance and a new secret. */
export interface Env {
  readonly now: number;
  readonly random: () => number;
  readonly newToken: (executionArn: string, lane: string) => string;
}

export const UNTRUNCATED = { truncated: false } as const;

/** One visit: where work happens. */
export interface Visit {
  readonly execution: Execution;
  readonly lane: Lane;
  readonly frame: Frame;
}

export function rows(...drafts: readonly Draft[]): Work {
  return { kind: 'rows', rows: drafts };
}

export function draft(
  lane: Lane,
  type: HistoryEventType,
  details: EventDetails = {},
  note: Note | null = null,
): Draft {
  return { lane: lane.id, event: { type, details }, note };
}

/** Templates that are absent answer null, which is not a value any of them could need. */
export function ask(
  visit: Visit,
  templates: readonly (Template | null)[],
  states: JsonObject,
  then: Then,
): Work {
  const question: Ask = {
    templates: templates.map((template) => template ?? { json: null, expressions: [] }),
    states,
    variable: (name) => visibleVariable(visit.lane, name),
  };
  return { kind: 'ask', ask: question, then };
}

function visibleVariable(lane: Lane, name: string): Json | undefined {
  for (let at: Lane | null = lane; at !== null; at = at.parent) {
    const variable = at.variables.get(name);
    if (variable !== undefined) return variable.value;
  }
  return undefined;
}

/** `$states` of a visit; `more` holds `result` or `errorOutput`, `context` what only some see. */
export function statesOf(
  visit: Visit,
  more: JsonObject = {},
  context: JsonObject = {},
): JsonObject {
  const { execution, lane, frame } = visit;
  const item = itemOf(lane);
  const repeats = ['Task', 'Parallel', 'Map'].includes(frame.state.type);
  return {
    input: frame.input,
    context: {
      Execution: {
        Id: execution.arn,
        Input: execution.input,
        StartTime: execution.startTime,
        Name: execution.start?.name ?? '',
        RoleArn: execution.roleArn,
        RedriveCount: 0,
      },
      StateMachine: {
        Id: execution.start?.machineArn ?? '',
        Name: execution.start?.machineName ?? '',
      },
      State: {
        Name: frame.state.name,
        EnteredTime: frame.enteredTime,
        // Recorded: a Pass has no RetryCount.
        ...(repeats ? { RetryCount: frame.retryCount } : {}),
      },
      ...(item === null ? {} : { Map: { Item: { Index: item.index, Value: item.value } } }),
      ...context,
    },
    ...more,
  };
}

/** The innermost iteration around a lane. */
function itemOf(lane: Lane): Lane['item'] {
  for (let at: Lane | null = lane; at !== null; at = at.parent) {
    if (at.item !== null) return at.item;
  }
  return null;
}

/** Leaves the state by `exit`. `catcher` is its number when the exit is a Catcher's. */
export function leaveState(
  visit: Visit,
  exit: Exit,
  output: Json,
  states: JsonObject,
  catcher: number | null = null,
): Work {
  return ask(visit, [exit.assign, exit.output], states, (answers, env) => {
    const all = allValues(answers);
    // An error while a Catcher is being evaluated is not the Catcher's to catch.
    if (!all.ok) return evaluationFailed(visit, all, env, catcher !== null);
    const [assign = null, shaped = null] = all.values;
    const value = exit.output === null ? output : shaped;
    const variables = assign as JsonObject | null;
    const { type, name } = visit.frame.state;
    const text = JSON.stringify(value);
    const assigned = Object.entries(variables ?? {}).map(
      ([key, each]) => [key, JSON.stringify(each)] as const,
    );
    const tooLarge =
      tooManyBytes(visit, text) ?? tooManyVariableBytes(visit, assigned, exit.assign !== null);
    if (tooLarge !== null) return failed(visit, tooLarge, env, catcher !== null);
    return rows(
      draft(
        visit.lane,
        // A Fail is not left, it fails; it never comes here.
        `${type as Exclude<typeof type, 'Fail'>}StateExited`,
        {
          stateExitedEventDetails: {
            name,
            output: text,
            outputDetails: UNTRUNCATED,
            ...(assigned.length === 0
              ? {}
              : {
                  assignedVariables: Object.fromEntries(assigned),
                  assignedVariablesDetails: UNTRUNCATED,
                }),
          },
        },
        { kind: 'exited', next: exit.next },
      ),
    );
  });
}

/** The failure when a payload of this text is too large, else null. */
export function tooManyBytes(visit: Visit, text: string): Failure | null {
  // A text of n units has at least n bytes and at most 3n: most are settled without counting.
  if (text.length * 3 <= LIMITS.payloadBytes) return null;
  if (text.length <= LIMITS.payloadBytes && utf8Length(text) <= LIMITS.payloadBytes) return null;
  return {
    error: DATA_LIMIT,
    cause: `The state/task '${visit.frame.state.name}' returned a result with a size exceeding the maximum number of bytes service limit.`,
  };
}

function tooManyVariableBytes(
  visit: Visit,
  assigned: readonly (readonly [string, string])[],
  assigns: boolean,
): Failure | null {
  if (!assigns) return null;
  let sum = 0;
  let growth = 0;
  for (const [name, text] of assigned) {
    const bytes = utf8Length(text);
    sum += bytes;
    growth += bytes - (visit.lane.variables.get(name)?.bytes ?? 0);
  }
  if (sum > LIMITS.variableBytes) {
    return {
      error: DATA_LIMIT,
      cause: prefixed(
        visit,
        `Assign holds ${sum} bytes; at most ${LIMITS.variableBytes} are allowed.`,
      ),
    };
  }
  if (visit.execution.variableBytes + growth > LIMITS.variablesBytes) {
    return {
      error: DATA_LIMIT,
      cause: prefixed(visit, `variables would hold more than ${LIMITS.variablesBytes} bytes.`),
    };
  }
  return null;
}

/** How AWS begins the cause of what the interpreter itself raises. */
export function prefixed(visit: Visit, cause: string): string {
  const { state, enteredId } = visit.frame;
  return `An error occurred while executing the state '${state.name}' (entered at the event id #${enteredId}). ${cause}`;
}

/** The values of all answers, or the first that failed. */
export function allValues(
  answers: readonly Filled[],
): { readonly ok: true; readonly values: readonly Json[] } | (Filled & { readonly ok: false }) {
  const values: Json[] = [];
  for (const each of answers) {
    if (!each.ok) return each;
    values.push(each.value);
  }
  return { ok: true, values };
}

/** An `EvaluationFailed`, with what it leads to. */
export function evaluationFailed(
  visit: Visit,
  place: Misplaced,
  env: Env,
  uncatchable = false,
): Work {
  const { details, failure } = evaluationFailure(visit, place);
  const note = failureNote(visit, failure, env, uncatchable);
  return rows(draft(visit.lane, 'EvaluationFailed', details, note));
}

export interface Misplaced {
  readonly location: string;
  readonly cause: string;
}

export function evaluationFailure(
  visit: Visit,
  place: Misplaced,
): { readonly details: EventDetails; readonly failure: Failure } {
  const failure = { error: QUERY_ERROR, cause: prefixed(visit, place.cause) };
  const { location } = place;
  const state = visit.frame.state.name;
  return { failure, details: { evaluationFailedEventDetails: { ...failure, location, state } } };
}

/** A value that is not of the type its field needs. */
export function wrongType(
  visit: Visit,
  field: { readonly location: string; readonly source: string },
  wanted: string,
  value: Json,
  env: Env,
): Work {
  const shown = JSON.stringify(value).slice(0, 200);
  return evaluationFailed(
    visit,
    {
      location: field.location,
      cause: `The JSONata expression '${field.source}' specified for the field '${field.location}' returned an unexpected result type. Expected ${wanted}, but was '${typeName(value)}' for value: ${shown}`,
    },
    env,
  );
}

function typeName(value: Json): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}

/** A failure that AWS writes no event for. */
export function failed(visit: Visit, failure: Failure, env: Env, uncatchable = false): Work {
  const note = failureNote(visit, failure, env, uncatchable);
  return { kind: 'rows', rows: [{ lane: visit.lane.id, event: null, note }] };
}

export function failureNote(visit: Visit, failure: Failure, env: Env, uncatchable = false): Note {
  const { state, attempts } = visit.frame;
  const plan = uncatchable
    ? ({ kind: 'raise' } as const)
    : planFailure(state, attempts, failure, env.now, env.random);
  return { kind: 'failed', failure, plan };
}
