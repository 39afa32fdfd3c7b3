import { isJsonObject, type Json } from '#core/json.ts';
import { cutTo, duration, printable, type Style, type Terminal } from './terminal.ts';

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
  readonly text: (data: { readonly [name: string]: Json }) => string;
}

const nothing = () => '';
const error = (data: { readonly [name: string]: Json }): string => {
  const value = data['error'] ?? null;
  return isJsonObject(value) ? `${String(value['code'])}: ${String(value['message'])}` : '';
};

/** What a person follows. Events that are not here only matter to machines and are not shown. */
const MARKS: { readonly [type: string]: Mark } = {
  execution_created: {
    sign: '+',
    style: 'dim',
    text: (data) => `accepted, runtime ${data['runtime']}`,
  },
  step_started: { sign: '▶', style: 'blue', text: nothing },
  step_retry_scheduled: {
    sign: '↻',
    style: 'yellow',
    text: (data) => `attempt ${data['attempt']} failed, again later: ${error(data)}`,
  },
  step_suspended: { sign: '…', style: 'blue', text: () => 'waits for its callback' },
  child_started: { sign: '↳', style: 'blue', text: (data) => `child ${data['execution_id']}` },
  iteration_started: { sign: '↺', style: 'dim', text: (data) => `iteration ${data['index']}` },
  step_succeeded: { sign: '✓', style: 'green', text: nothing },
  step_failed: { sign: '✗', style: 'red', text: error },
  step_skipped: { sign: '○', style: 'dim', text: (data) => String(data['reason']) },
  execution_paused: { sign: '‖', style: 'yellow', text: () => 'paused' },
  execution_resumed: { sign: '▶', style: 'blue', text: () => 'resumed' },
  cancel_requested: { sign: '■', style: 'yellow', text: () => 'cancel asked for' },
  execution_timed_out: { sign: '■', style: 'red', text: () => 'the time of the workflow is over' },
  compensation_started: { sign: '↶', style: 'yellow', text: () => 'undoing what was done' },
  compensation_retry_scheduled: {
    sign: '↻',
    style: 'yellow',
    text: (data) => `undo failed, again later: ${error(data)}`,
  },
  compensation_succeeded: { sign: '↶', style: 'green', text: () => 'undone' },
  compensation_failed: { sign: '↶', style: 'red', text: (data) => `not undone: ${error(data)}` },
  execution_completed: { sign: '✓', style: 'green', text: () => 'COMPLETED' },
  execution_failed: { sign: '✗', style: 'red', text: (data) => `FAILED  ${error(data)}` },
  execution_cancelled: { sign: '■', style: 'yellow', text: () => 'CANCELLED' },
};

/** Draws events one by one; remembers when steps began, to say how long they took. */
export function createTimeline(terminal: Terminal): (event: TimelineEvent) => string {
  const began = new Map<string, number>();
  let origin: number | null = null;
  return ({ at, type, step, data }) => {
    const now = Date.parse(at);
    origin ??= now;
    if (type === 'step_started' && step !== null) began.set(step, now);
    const mark = MARKS[type];
    if (mark === undefined) return '';
    const start = step === null ? undefined : began.get(step);
    const ends = type === 'step_succeeded' || type === 'step_failed';
    const took = ends && start !== undefined ? duration(now - start) : '';
    const what = mark.text(isJsonObject(data) ? data : {});
    const clock = `+${duration(now - origin)}`.padStart(10);
    const rest = [step, took, what].filter((part) => part !== null && part !== '').join('  ');
    const line = cutTo(printable(rest), terminal.width - 14);
    return `${terminal.style('dim', clock)}  ${terminal.style(mark.style, mark.sign)} ${line}\n`;
  };
}
