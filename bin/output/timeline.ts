import type { ExecutionEventType } from '#core/execution/events.ts';
import { isJsonObject, type Json, type JsonObject } from '#core/json.ts';
import type { Style, Terminal } from './terminal.ts';
import { duration, elapsed, printable, wrap } from './text.ts';

export interface TimelineEvent {
  readonly seq: number;
  readonly at: string;
  readonly type: string;
  readonly step: string | null;
  readonly data: Json;
}

interface Mark {
  readonly sign: string;
  readonly style: Style;
  /** What happened, beside the step's name. */
  readonly text: (data: JsonObject, at: number) => string;
}

const nothing = () => '';

function error(data: JsonObject): string {
  const value = data['error'] ?? null;
  return isJsonObject(value) ? `${String(value['code'])}: ${String(value['message'])}` : '';
}

function again(data: JsonObject, at: number): string {
  const due = data['due_at'];
  return typeof due === 'number' ? `again in ${duration(Math.max(0, due - at))}` : 'again later';
}

const by = (data: JsonObject): string =>
  typeof data['by'] === 'string' ? ` by ${data['by']}` : '';

const SKIPPED: { readonly [reason: string]: string } = {
  UPSTREAM_FAILED: 'skipped: a step it depends on failed',
  UPSTREAM_SKIPPED: 'skipped: a step it depends on was skipped',
  RULE_NOT_MET: 'skipped: its trigger rule is not met',
  CONDITION_FALSE: 'skipped: its condition is false',
  CONDITION_NOT_BOOLEAN: 'skipped: its condition is neither true nor false',
  HALTED: 'skipped: the workflow halted',
  CANCELLED: 'skipped: the execution was cancelled',
};

/** What a person follows; null: it only matters to machines and is not shown. */
const MARKS: { readonly [T in ExecutionEventType]: Mark | null } = {
  execution_created: {
    sign: '+',
    style: 'dim',
    text: (data) => `accepted, to run on ${data['runtime']}`,
  },
  runtime_changed: {
    sign: '↳',
    style: 'yellow',
    text: (data) => `runs on ${data['runtime']} instead: ${data['reason']}`,
  },
  execution_started: null,
  step_started: { sign: '▶', style: 'blue', text: nothing },
  attempt_started: {
    sign: '▶',
    style: 'blue',
    text: ({ attempt }) => (attempt === 1 ? '' : `attempt ${attempt}`),
  },
  step_retry_scheduled: {
    sign: '↻',
    style: 'yellow',
    text: (data, at) => `attempt ${data['attempt']} failed, ${again(data, at)}: ${error(data)}`,
  },
  step_suspended: { sign: '…', style: 'blue', text: () => 'waits for its callback' },
  heartbeat_received: null,
  answer_received: { sign: '…', style: 'blue', text: () => 'answered' },
  child_started: { sign: '↳', style: 'blue', text: (data) => `child ${data['execution_id']}` },
  iteration_started: { sign: '↺', style: 'dim', text: (data) => `iteration ${data['index']}` },
  expression_evaluated: null,
  execution_yielded: null,
  step_succeeded: { sign: '✓', style: 'green', text: nothing },
  step_failed: { sign: '✗', style: 'red', text: error },
  step_skipped: {
    sign: '○',
    style: 'dim',
    text: ({ reason }) => SKIPPED[String(reason)] ?? `skipped: ${reason}`,
  },
  execution_paused: { sign: '‖', style: 'yellow', text: (data) => `paused${by(data)}` },
  execution_resumed: { sign: '▶', style: 'blue', text: (data) => `resumed${by(data)}` },
  cancel_requested: {
    sign: '■',
    style: 'yellow',
    text: (data) =>
      `cancel asked for${by(data)}${typeof data['reason'] === 'string' ? `: ${data['reason']}` : ''}`,
  },
  execution_timed_out: {
    sign: '■',
    style: 'red',
    text: () => 'the time that the workflow allows is over',
  },
  quota_exceeded: {
    sign: '■',
    style: 'red',
    text: ({ quota }) => `one execution may record no more ${quota}`,
  },
  compensation_started: { sign: '↶', style: 'yellow', text: () => 'undoing what was done' },
  compensation_attempt_started: null,
  compensation_retry_scheduled: {
    sign: '↻',
    style: 'yellow',
    text: (data, at) => `undo failed, ${again(data, at)}: ${error(data)}`,
  },
  compensation_succeeded: { sign: '↶', style: 'green', text: () => 'undone' },
  compensation_failed: { sign: '↶', style: 'red', text: (data) => `not undone: ${error(data)}` },
  execution_completed: { sign: '✓', style: 'green', text: () => 'COMPLETED' },
  execution_failed: { sign: '✗', style: 'red', text: (data) => `FAILED  ${error(data)}` },
  execution_cancelled: { sign: '■', style: 'yellow', text: () => 'CANCELLED' },
};

const ENDS: ReadonlySet<string> = new Set<ExecutionEventType>(['step_succeeded', 'step_failed']);
const CLOCK = 9;
const INDENT = CLOCK + 4;

export interface Timeline {
  /** The lines of one event; '' for one that people do not follow. */
  draw(event: TimelineEvent): string;
  /** A line that is no event, aligned with those that are. */
  note(text: string): string;
}

/** Draws events one by one; remembers when steps began, to say how long they took. */
export function createTimeline(terminal: Terminal): Timeline {
  const began = new Map<string, number>();
  let origin: number | null = null;
  const lines = (clock: string, sign: string, text: string): string => {
    const [first = '', ...rest] = wrap(printable(text), terminal.width - INDENT);
    const head = `${terminal.style('dim', clock.padStart(CLOCK))}  ${sign} ${first}\n`;
    return head + rest.map((line) => `${' '.repeat(INDENT)}${line}\n`).join('');
  };
  return {
    draw({ at, type, step, data }) {
      const now = Date.parse(at);
      origin ??= now;
      // A platform newer than this command may tell of what is unknown here.
      const mark = Object.hasOwn(MARKS, type) ? MARKS[type as ExecutionEventType] : null;
      if (type === 'step_started' && step !== null) began.set(step, now);
      if (mark === null) return '';
      const about = isJsonObject(data) ? data : {};
      const what = mark.text(about, now);
      if (type === 'attempt_started' && what === '') return '';
      const start = step === null ? undefined : began.get(step);
      const took = ENDS.has(type) && start !== undefined ? duration(now - start) : '';
      const parts = [step ?? '', took, what].filter((part) => part !== '');
      return lines(elapsed(now - origin), terminal.style(mark.style, mark.sign), parts.join('  '));
    },
    note: (text) => lines('', terminal.style('dim', '…'), text),
  };
}
