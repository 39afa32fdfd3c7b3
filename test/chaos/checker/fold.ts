/**
 * What a log says, folded by rules of its own: written from the meaning of the language and not from the
 * platform's code, so that the two do not share a mistake.
 */
import type { LoggedEvent, StoredExecution } from './evidence.ts';
import type { Tally } from './tally.ts';

export interface FoldedStep {
  status: string;
  attempts: number;
  /** Attempts that began, whatever is said at the end. */
  begun: number;
  startedAt: number | null;
  endedAt: number | null;
  output: unknown;
  /** Place in the log. */
  startedSeq: number | null;
  endedSeq: number | null;
}

export interface Folded {
  status: string;
  startedAt: number | null;
  endedAt: number | null;
  output: unknown;
  errorCode: string | null;
  compensation: string | null;
  steps: Map<string, FoldedStep>;
}

const ENDS: { readonly [type: string]: string } = {
  execution_completed: 'COMPLETED',
  execution_failed: 'FAILED',
  execution_cancelled: 'CANCELLED',
};
const STEP_ENDS: { readonly [type: string]: string } = {
  step_succeeded: 'SUCCESS',
  step_failed: 'FAILED',
  step_skipped: 'SKIPPED',
};

/** Folds, and says by I4 to I6 what cannot be. */
export function fold(execution: StoredExecution, tally: Tally): Folded {
  const { events } = execution;
  const folded: Folded = {
    ...{ status: '', startedAt: null, endedAt: null, output: null, errorCode: null },
    ...{ compensation: null, steps: new Map<string, FoldedStep>() },
  };
  const wrong = (what: string) => tally.wrong('I6', `${name(execution)}: ${what}`);
  checkSequence(execution, tally);
  tally.looked('I6');
  for (const { event, seq, at } of events) {
    const { type } = event;
    if (folded.endedAt !== null) wrong(`${type} at ${seq} comes after the end`);
    if ((seq === 1) !== (type === 'execution_created')) wrong(`event ${seq} is ${type}`);
    if (type === 'execution_created') folded.status = 'PENDING';
    else if (type === 'execution_started') {
      if (folded.status !== 'PENDING') wrong(`started from ${folded.status}`);
      folded.status = 'RUNNING';
      folded.startedAt = at;
    } else if (type in ENDS) {
      const status = ENDS[type] as string;
      // What is cancelled before it began never ran.
      if (folded.status !== 'RUNNING' && !(folded.status === 'PENDING' && status === 'CANCELLED')) {
        wrong(`${status} from ${folded.status || 'nothing'}`);
      }
      folded.status = status;
      folded.endedAt = at;
      folded.output = event['output'] ?? null;
      folded.errorCode = (event['error'] as { code?: string } | undefined)?.code ?? null;
      folded.compensation = (event['compensation'] as string | undefined) ?? 'NONE';
    } else if (event.step !== undefined && !type.startsWith('compensation_')) {
      foldStep(folded.steps, event, { seq, at }, wrong);
    }
  }
  return folded;
}

function foldStep(
  steps: Map<string, FoldedStep>,
  event: LoggedEvent['event'],
  { seq, at }: { readonly seq: number; readonly at: number },
  wrong: (what: string) => void,
): void {
  const { type, step = '' } = event;
  let own = steps.get(step);
  if (own === undefined) {
    own = {
      ...{ status: 'QUEUED', attempts: 0, begun: 0, startedAt: null, endedAt: null },
      ...{ output: null, startedSeq: null, endedSeq: null },
    };
    steps.set(step, own);
  }
  if (own.endedSeq !== null) {
    wrong(`${step} has ${type} at ${seq}, after its end at ${own.endedSeq}`);
    return;
  }
  if (type === 'step_started') {
    if (own.status !== 'QUEUED') wrong(`${step} starts at ${seq} as ${own.status}`);
    own.status = 'EXECUTING';
    own.begun += 1;
    own.startedAt = at;
    own.startedSeq = seq;
  } else if (type === 'attempt_started') {
    if (own.status !== 'EXECUTING') wrong(`${step} tries again at ${seq} as ${own.status}`);
    own.begun += 1;
  } else if (type in STEP_ENDS) {
    const status = STEP_ENDS[type] as string;
    if (status === 'SUCCESS' && own.status !== 'EXECUTING')
      wrong(`${step} succeeds as ${own.status}`);
    if (status === 'SKIPPED' && own.status !== 'QUEUED')
      wrong(`${step} is skipped as ${own.status}`);
    own.status = status;
    own.endedAt = at;
    own.endedSeq = seq;
    own.attempts = (event['attempts'] as number | undefined) ?? 0;
    own.output = status === 'SUCCESS' ? (event['output'] ?? null) : null;
  }
}

function checkSequence(execution: StoredExecution, tally: Tally): void {
  tally.looked('I4');
  tally.looked('I5');
  let [epoch, time] = [0, 0];
  for (const [i, event] of execution.events.entries()) {
    if (event.seq !== i + 1) {
      tally.wrong('I4', `${name(execution)}: event ${event.seq} stands where ${i + 1} should`);
    }
    if (event.epoch < epoch) {
      tally.wrong('I5', `${name(execution)}: epoch falls from ${epoch} at event ${event.seq}`);
    }
    if (event.at < time) {
      tally.wrong(
        'I4',
        `${name(execution)}: time goes back by ${time - event.at} ms at ${event.seq}`,
      );
    }
    epoch = event.epoch;
    time = event.at;
  }
  if (execution.events.length === 0) tally.wrong('I4', `${name(execution)}: has no log`);
  if (execution.epoch < epoch) {
    tally.wrong(
      'I5',
      `${name(execution)}: its row is of epoch ${execution.epoch}, its log of ${epoch}`,
    );
  }
}

export function name({ workflow, id }: Pick<StoredExecution, 'workflow' | 'id'>): string {
  return `${workflow} ${id}`;
}
