/**
 * The fold of a history.
 *
 * Owns what each row means. Does not decide what comes next (work.ts) and does nothing (actor.ts).
 *
 *  E1 `applyRow` over the rows of a history gives the same Execution whenever it is done: it reads
 *     nothing but the rows and the machine, not even a clock.
 *  E2 every prefix of a history is an Execution from which work can go on.
 */
import { type Json, utf8Length } from '#core/json.ts';
import {
  type Children,
  type Execution,
  type ExecutionStatus,
  type Frame,
  isTask,
  type Lane,
  lanesBelow,
  type Position,
  type TaskAttempt,
} from './execution.ts';
import type { Failure, HistoryEvent, HistoryRow, Note, Plan } from './history.ts';
import type { MapState, ParallelState } from './machine.ts';

/** Events that leave the lane's last event as it was: AWS chains past them (recorded). */
const ASIDE: ReadonlySet<HistoryEvent['type']> = new Set<HistoryEvent['type']>([
  'ExecutionStarted',
  'ParallelStateSucceeded',
  'MapStateSucceeded',
  'MapIterationSucceeded',
  'MapIterationFailed',
  'MapIterationAborted',
  'TaskStateAborted',
  'WaitStateAborted',
  'ParallelStateAborted',
  'MapStateAborted',
]);

export function applyRow(execution: Execution, row: HistoryRow): void {
  execution.seq = row.seq;
  const { event, note } = row;
  if (event !== null) execution.events = event.id;
  if (event?.type === 'ExecutionStarted') {
    begin(execution, event, note, row.seq);
    return;
  }
  if (event !== null && isEnd(execution, event)) return;
  const lane = execution.lanes.get(row.lane);
  if (lane === undefined) return; // an aborted sibling, already gone
  if (event !== null && !ASIDE.has(event.type)) lane.last = event.id;
  const before = lane.position;
  if (note?.kind === 'failed') fail(execution, lane, note.failure, note.plan);
  else if (event !== null) advance(execution, lane, event, note);
  else advanceQuietly(lane, note);
  if (lane.position !== before && note?.kind !== 'heartbeat') lane.turn = row.seq;
}

function begin(execution: Execution, event: HistoryEvent, note: Note | null, seq: number): void {
  const details = event.executionStartedEventDetails;
  if (note?.kind !== 'started' || details === undefined) throw corrupt(execution, event.type);
  execution.start = note.start;
  execution.input = JSON.parse(details.input);
  execution.roleArn = details.roleArn;
  execution.startTime = event.timestamp;
  const seconds = execution.machine.timeoutSeconds;
  execution.deadline = seconds === null ? null : Date.parse(event.timestamp) + seconds * 1000;
  const { root } = execution.machine;
  const position: Position = { at: 'starting', state: root.startAt, input: execution.input };
  addLane(execution, { id: '', parent: null, index: 0, scope: root, item: null, position }, 0, seq);
}

function isEnd(execution: Execution, event: HistoryEvent): boolean {
  const end = (status: ExecutionStatus, details: HistoryEvent['executionFailedEventDetails']) => {
    execution.status = status;
    execution.error = details?.error ?? null;
    execution.cause = details?.cause ?? null;
    execution.stopTime = event.timestamp;
    execution.lanes.clear();
    execution.variableBytes = 0;
    return true;
  };
  switch (event.type) {
    case 'ExecutionSucceeded':
      execution.output = event.executionSucceededEventDetails?.output ?? null;
      return end('SUCCEEDED', undefined);
    case 'ExecutionFailed':
      return end('FAILED', event.executionFailedEventDetails);
    case 'ExecutionAborted':
      return end('ABORTED', event.executionAbortedEventDetails);
    case 'ExecutionTimedOut':
      // The event names States.Timeout, DescribeExecution names nothing (measured).
      return end('TIMED_OUT', undefined);
    default:
      return false;
  }
}

function advance(execution: Execution, lane: Lane, event: HistoryEvent, note: Note | null): void {
  const { position } = lane;
  const entered = event.stateEnteredEventDetails;
  if (entered !== undefined) {
    const state = lane.scope.states.get(entered.name);
    if (state === undefined) throw corrupt(execution, event.type);
    lane.position = {
      at: 'entered',
      notBefore: 0,
      frame: {
        state,
        input: JSON.parse(entered.input),
        enteredTime: event.timestamp,
        enteredId: event.id,
        attempts: [],
        retryCount: 0,
      },
    };
    return;
  }
  const exited = event.stateExitedEventDetails;
  if (exited !== undefined) {
    for (const [name, text] of Object.entries(exited.assignedVariables ?? {})) {
      assign(execution, lane, name, text);
    }
    leave(execution, lane, JSON.parse(exited.output), note?.kind === 'exited' ? note.next : null);
    return;
  }
  switch (event.type) {
    case 'TaskScheduled': {
      const details = event.taskScheduledEventDetails;
      if (details === undefined) throw corrupt(execution, event.type);
      const at = Date.parse(event.timestamp);
      const { timeoutInSeconds: timeout, heartbeatInSeconds: heartbeat } = details;
      const task: TaskAttempt = {
        parameters: JSON.parse(details.parameters),
        scheduledId: event.id,
        token: note?.kind === 'token' ? note.token : null,
        child: null,
        deadline: timeout === undefined ? null : at + timeout * 1000,
        heartbeatMs: heartbeat === undefined ? null : heartbeat * 1000,
        heartbeatDeadline: heartbeat === undefined ? null : at + heartbeat * 1000,
      };
      lane.position = { at: 'scheduled', frame: frameOf(execution, lane, event.type), task };
      return;
    }
    case 'TaskStarted':
      if (position.at === 'scheduled') lane.position = { ...position, at: 'started' };
      return;
    case 'TaskSubmitted':
      if (position.at === 'started') {
        const child = note?.kind === 'child' ? note.executionArn : null;
        lane.position = { ...position, at: 'submitted', task: { ...position.task, child } };
      }
      return;
    case 'TaskSucceeded': {
      const result = JSON.parse(event.taskSucceededEventDetails?.output ?? 'null');
      lane.position = { at: 'result', frame: frameOf(execution, lane, event.type), result };
      return;
    }
    case 'ParallelStateStarted':
    case 'MapStateStarted':
      open(execution, lane, note, event);
      return;
    case 'MapIterationStarted':
      if (note?.kind === 'iteration') {
        lane.position = { at: 'starting', state: lane.scope.startAt, input: note.input };
      }
      return;
    case 'MapIterationSucceeded':
      if (position.at === 'ended') join(execution, lane, position.output);
      return;
    case 'ParallelStateSucceeded':
    case 'MapStateSucceeded':
      if (position.at === 'joined') {
        lane.position = { at: 'result', frame: position.frame, result: position.outputs };
      }
      return;
    default:
      return; // EvaluationFailed of an iteration, and what is written of aborted siblings
  }
}

function advanceQuietly(lane: Lane, note: Note | null): void {
  const { position } = lane;
  if (note?.kind === 'waiting' && position.at === 'entered') {
    lane.position = { at: 'waiting', frame: position.frame, until: note.until };
  } else if (note?.kind === 'heartbeat' && isTask(position) && position.task.heartbeatMs !== null) {
    const heartbeatDeadline = note.at + position.task.heartbeatMs;
    lane.position = { ...position, task: { ...position.task, heartbeatDeadline } };
  }
}

function fail(execution: Execution, lane: Lane, failure: Failure, plan: Plan): void {
  const frame = frameOf(execution, lane, 'failure');
  dropBelow(execution, lane);
  if (plan.kind === 'raise') lane.position = { at: 'raising', frame, failure };
  else if (plan.kind === 'catch') {
    lane.position = { at: 'caught', frame, catcher: plan.catcher, failure };
  } else {
    const attempts = [...frame.attempts];
    for (let i = attempts.length; i <= plan.retrier; i++) attempts.push(0);
    attempts[plan.retrier] = (attempts[plan.retrier] ?? 0) + 1;
    const again = { ...frame, attempts, retryCount: frame.retryCount + 1 };
    lane.position = { at: 'entered', frame: again, notBefore: plan.at };
  }
}

function leave(execution: Execution, lane: Lane, output: Json, next: string | null): void {
  if (next !== null) {
    lane.position = { at: 'starting', state: next, input: output };
    return;
  }
  lane.position = { at: 'ended', output };
  // The end of a branch has no event of its own; an iteration's is MapIterationSucceeded.
  if (lane.parent !== null && lane.item === null) join(execution, lane, output);
}

function open(execution: Execution, lane: Lane, note: Note | null, event: HistoryEvent): void {
  const frame = frameOf(execution, lane, event.type);
  const state = frame.state as ParallelState | MapState;
  const items = note?.kind === 'items' ? note.items : null;
  const children: Children = {
    input: note?.kind === 'branches' ? note.input : null,
    items,
    concurrency: note?.kind === 'items' ? note.concurrency : Number.MAX_SAFE_INTEGER,
    total: items?.length ?? (state.type === 'Parallel' ? state.branches.length : 0),
    started: 0,
    ended: 0,
    outputs: [],
  };
  lane.position =
    children.total === 0
      ? { at: 'joined', frame, outputs: [] }
      : { at: 'children', frame, children };
  spawn(execution, lane, children, state);
}

/** Starts as many children as may run; each follows the event that made room for it. */
function spawn(
  execution: Execution,
  lane: Lane,
  children: Children,
  state: ParallelState | MapState,
): void {
  while (
    children.started < children.total &&
    children.started - children.ended < children.concurrency
  ) {
    const index = children.started;
    children.started += 1;
    const scope = state.type === 'Map' ? state.processor : state.branches[index];
    if (scope === undefined) throw corrupt(execution, state.name);
    const value = children.items?.[index] ?? null;
    const item = children.items === null ? null : { index, value };
    const position: Position =
      item === null
        ? { at: 'starting', state: scope.startAt, input: children.input }
        : { at: 'iterating' };
    addLane(
      execution,
      { id: `${lane.id}/${index}`, parent: lane, index, scope, item, position },
      lane.last,
      execution.seq,
    );
  }
}

function join(execution: Execution, lane: Lane, output: Json): void {
  const parent = lane.parent;
  if (parent === null || parent.position.at !== 'children') return;
  const { children, frame } = parent.position;
  children.outputs[lane.index] = output;
  children.ended += 1;
  parent.last = lane.last;
  dropLane(execution, lane);
  if (children.ended === children.total) {
    parent.position = { at: 'joined', frame, outputs: children.outputs };
    parent.turn = execution.seq;
  } else spawn(execution, parent, children, frame.state as ParallelState | MapState);
}

function assign(execution: Execution, lane: Lane, name: string, text: string): void {
  const bytes = utf8Length(text);
  execution.variableBytes += bytes - (lane.variables.get(name)?.bytes ?? 0);
  lane.variables.set(name, { value: JSON.parse(text), bytes });
}

function addLane(
  execution: Execution,
  lane: Omit<Lane, 'variables' | 'last' | 'turn'>,
  last: number,
  turn: number,
): void {
  execution.lanes.set(lane.id, { ...lane, variables: new Map(), last, turn });
}

function dropLane(execution: Execution, lane: Lane): void {
  for (const { bytes } of lane.variables.values()) execution.variableBytes -= bytes;
  execution.lanes.delete(lane.id);
}

function dropBelow(execution: Execution, lane: Lane): void {
  for (const each of lanesBelow(execution, lane)) dropLane(execution, each);
}

function frameOf(execution: Execution, lane: Lane, what: string): Frame {
  if ('frame' in lane.position) return lane.position.frame;
  throw corrupt(execution, what);
}

/** A history that this code cannot have written; going on would invent a past. */
function corrupt(execution: Execution, what: string): Error {
  return new Error(`history of ${execution.arn} is corrupt at row ${execution.seq} (${what})`);
}
