/**
 * One running execution: writes its rows, does its work, keeps its timer.
 *
 * Owns the order of things; what the things are comes from next-work.ts.
 *
 *  A1 rows are applied in memory when they are made, and stored in that order by the journal.
 *  A2 nothing leaves this process (an invocation, a child, an answer to a caller) before the rows
 *     which lead to it are stored. Evaluation may run ahead: it has no effect.
 *  A3 an answer is dropped unless its lane still waits for it (E4).
 *  A4 a failed or refused append ends the actor; the store is the truth and a new actor reads it.
 *  A5 at most MAX_UNSTORED rows run ahead of the store, so a machine that spins cannot fill memory.
 */
import type { Clock } from '#ports/clock.ts';
import type { Evaluator } from '#ports/evaluator.ts';
import type { HistoryStore } from '#ports/history-store.ts';
import { answer, constantAnswer, isConstant } from './evaluate.ts';
import { type Execution, isTask, type Lane, type TaskAttempt } from './execution.ts';
import { RUNTIME_ERROR } from './failure.ts';
import { applyRow } from './fold.ts';
import { endsExecution, type Failure, type HistoryRow } from './history.ts';
import { Journal } from './journal.ts';
import { LIMITS, type TaskState } from './machine.ts';
import { dueAt, expire, nextWork } from './next-work.ts';
import { answered, callBroke, childAnswered, type Outside, type TaskCaller } from './outside.ts';
import type { Draft, Env, Visit, Work } from './work.ts';
import { childEnded } from './work-task.ts';

const MAX_UNSTORED = 200;
const EVALUATOR_TRIES = 8;
const EVALUATOR_WAIT_MS = 100;

export interface ActorHost {
  readonly clock: Clock;
  readonly evaluator: Evaluator;
  readonly store: HistoryStore;
  readonly outside: Outside;
  readonly random: () => number;
  readonly newToken: (executionArn: string, lane: string) => string;
  /**
   * Bounds of what runs at once over all executions. Two, because a function that hangs keeps its
   * place, and must not keep the evaluator from everybody.
   */
  readonly evaluating: <T>(work: () => Promise<T>) => Promise<T>;
  readonly invoking: <T>(work: () => Promise<T>) => Promise<T>;
  /** Counts work that will end by itself, for `idle`. */
  readonly busy: <T>(work: Promise<T>) => Promise<T>;
  readonly onEnd: (actor: Actor) => void;
  readonly onFault: (actor: Actor, error: unknown) => void;
}

export class Actor {
  readonly execution: Execution;
  readonly #host: ActorHost;
  readonly #journal: Journal;
  #closed = false;
  /** What each lane's current turn has been asked for already. */
  readonly #asked = new Map<string, number>();
  readonly #children = new Map<string, { readonly arn: string; readonly turn: number }>();
  readonly #evaluatorTries = new Map<string, number>();
  #timer: { readonly at: number; readonly handle: { cancel(): void } } | null = null;
  readonly #pauses = new Set<() => void>();

  /** `execution` is the fold of stored rows. */
  constructor(execution: Execution, host: ActorHost) {
    this.execution = execution;
    this.#host = host;
    this.#journal = new Journal(execution.arn, execution.seq, {
      store: host.store,
      busy: host.busy,
      onStored: (rows) => this.#onStored(rows),
      onFault: (error) => this.#fault(error),
    });
  }

  /** Does what can be done now. Called after every change; nothing happens otherwise. */
  drive(): void {
    const { execution } = this;
    if (this.#closed) return;
    try {
      const env = this.#env();
      if (execution.status === 'RUNNING' && (execution.deadline ?? env.now + 1) <= env.now) {
        this.#end('ExecutionTimedOut', { error: 'States.Timeout', cause: null });
      }
      let again = true;
      while (again && execution.status === 'RUNNING' && this.#journal.waiting < MAX_UNSTORED) {
        again = false;
        for (const lane of [...execution.lanes.values()]) {
          // A lane of this list may have been dropped by another's rows.
          if (execution.lanes.get(lane.id) === lane && this.#step(lane, env)) again = true;
        }
      }
      this.#arm(env.now);
    } catch (error) {
      this.#fault(error);
      return;
    }
    this.#journal.flush();
  }

  /** Writes rows for `lane` from outside (a token's answer), and resolves when they are stored. */
  write(drafts: readonly Draft[]): Promise<void> {
    this.#commit(drafts);
    const stored = this.whenStored();
    this.drive();
    return stored;
  }

  stop(failure: Failure): Promise<void> {
    this.#end('ExecutionAborted', failure);
    const stored = this.whenStored();
    this.drive();
    return stored;
  }

  /** Resolves when everything made so far is stored. */
  whenStored(): Promise<void> {
    return this.#journal.whenStored();
  }

  env(): Env {
    return this.#env();
  }

  /** Stops doing anything. What is under way outside goes on; its answers are dropped. */
  close(reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#timer?.handle.cancel();
    for (const end of [...this.#pauses]) end();
    this.#journal.close(reason);
  }

  #env(): Env {
    const { clock, random, newToken } = this.#host;
    return { now: clock.now(), random, newToken };
  }

  /** True when the lane wrote something, so that all lanes should be looked at again. */
  #step(lane: Lane, env: Env): boolean {
    const expired = expire(this.execution, lane, env);
    if (expired !== null) return this.#commit([expired]);
    if (this.#asked.get(lane.id) === lane.turn) return false;
    return this.#perform(lane, nextWork(this.execution, lane, env), env);
  }

  #perform(lane: Lane, work: Work, env: Env): boolean {
    switch (work.kind) {
      case 'idle':
        return false;
      case 'rows':
        return this.#commit(work.rows);
      case 'ask': {
        const { ask, then } = work;
        if (isConstant(ask)) return this.#perform(lane, then(constantAnswer(ask), env), env);
        const tenant = this.execution.start?.tenant ?? '';
        const { evaluating, busy, evaluator } = this.#host;
        this.#asking(
          lane,
          busy(evaluating(() => answer(ask, evaluator, tenant))),
          (answers) => {
            this.#evaluatorTries.delete(lane.id);
            const later = this.#env();
            this.#perform(lane, then(answers, later), later);
          },
          (error) => this.#withoutEvaluator(lane, error),
        );
        return false;
      }
      default:
        if (lane.turn <= this.#journal.stored) this.#goOutside(lane, work);
        return false;
    }
  }

  #goOutside(lane: Lane, work: Exclude<Work, { kind: 'idle' | 'rows' | 'ask' }>): void {
    const { outside, invoking } = this.#host;
    const { position } = lane;
    if (!isTask(position)) return;
    const visit: Visit = { execution: this.execution, lane, frame: position.frame };
    const state = position.frame.state as TaskState;
    const caller = this.#caller(visit, position.task);
    const write = (draft: Draft): void => {
      this.#commit([draft]);
    };
    const broken = (error: unknown): void => write(callBroke(visit, state, error, this.#env()));
    if (work.kind === 'invoke') {
      const { functionName, payload } = work;
      const call = invoking(() => outside.invoke(caller, functionName, payload));
      this.#asking(
        lane,
        call,
        (outcome) => write(answered(visit, state, outcome, this.#env())),
        broken,
      );
    } else if (work.kind === 'start-child') {
      const call = outside.startChild(caller, work.parameters);
      this.#asking(
        lane,
        call,
        (child) => write(childAnswered(visit, state, child, this.#env())),
        broken,
      );
    } else {
      this.#children.set(lane.id, { arn: work.executionArn, turn: lane.turn });
      this.#asking(
        lane,
        outside.waitChild(work.executionArn),
        (child) => {
          this.#children.delete(lane.id);
          write(childEnded(visit, state, child, this.#env()));
        },
        broken,
      );
    }
  }

  #caller(visit: Visit, task: TaskAttempt): TaskCaller {
    const { arn, start } = this.execution;
    return {
      tenant: start?.tenant ?? '',
      executionArn: arn,
      executionName: start?.name ?? '',
      stateName: visit.frame.state.name,
      retryCount: visit.frame.retryCount,
      attemptKey: `${arn}#${task.scheduledId}`,
      token: task.token,
    };
  }

  /** Waits for an answer on behalf of a lane's present turn. */
  #asking<T>(
    lane: Lane,
    promise: Promise<T>,
    then: (value: T) => void,
    otherwise: (error: unknown) => void,
  ): void {
    const { turn } = lane;
    this.#asked.set(lane.id, turn);
    const settled = (act: () => void): void => {
      if (this.#asked.get(lane.id) === turn) this.#asked.delete(lane.id);
      const current = this.execution.lanes.get(lane.id) === lane && lane.turn === turn;
      if (this.#closed || !current) return;
      try {
        act();
      } catch (error) {
        this.#fault(error);
        return;
      }
      this.drive();
    };
    promise.then(
      (value) => settled(() => then(value)),
      (error: unknown) => settled(() => otherwise(error)),
    );
  }

  /** The evaluator is away: that is not the expression's fault, so it is asked again, for a while. */
  #withoutEvaluator(lane: Lane, error: unknown): void {
    const tries = (this.#evaluatorTries.get(lane.id) ?? 0) + 1;
    this.#evaluatorTries.set(lane.id, tries);
    if (tries >= EVALUATOR_TRIES) {
      const reason = error instanceof Error ? error.message : String(error);
      const cause = `no evaluator after ${tries} tries: ${reason}`;
      this.#end('ExecutionFailed', { error: RUNTIME_ERROR, cause });
      return;
    }
    const { turn } = lane;
    this.#asked.set(lane.id, turn);
    void this.#pause(EVALUATOR_WAIT_MS * 2 ** (tries - 1)).then(() => {
      if (this.#asked.get(lane.id) === turn) this.#asked.delete(lane.id);
      this.drive();
    });
  }

  /** A pause of ours, in real time. It counts as work: business time is not to pass meanwhile. */
  #pause(ms: number): Promise<void> {
    const { busy, clock } = this.#host;
    return busy(
      new Promise((resolve) => {
        const end = (): void => {
          timer.cancel();
          this.#pauses.delete(end);
          resolve();
        };
        const timer = clock.after(ms, end);
        this.#pauses.add(end);
      }),
    );
  }

  #end(
    type: 'ExecutionAborted' | 'ExecutionTimedOut' | 'ExecutionFailed',
    { error, cause }: Failure,
  ): void {
    const details = {
      ...(error === null ? {} : { error }),
      ...(cause === null ? {} : { cause }),
    };
    const member = {
      ExecutionAborted: { executionAbortedEventDetails: details },
      ExecutionTimedOut: { executionTimedOutEventDetails: details },
      ExecutionFailed: { executionFailedEventDetails: details },
    }[type];
    this.#commit([{ lane: '', event: { type, details: member }, note: null }]);
  }

  #commit(drafts: readonly Draft[]): boolean {
    const { execution } = this;
    const timestamp = new Date(this.#host.clock.now()).toISOString();
    for (const draft of drafts) {
      if (execution.status !== 'RUNNING') break;
      this.#append(draft, timestamp);
    }
    return drafts.length > 0;
  }

  #append(draft: Draft, timestamp: string): void {
    const { execution } = this;
    let { event } = draft;
    let note = draft.note;
    const id = execution.events + 1;
    let previousEventId = execution.lanes.get(draft.follows ?? draft.lane)?.last ?? 0;
    // AWS chains what comes from outside to nothing (recorded).
    if (event?.type === 'ExecutionAborted' || event?.type === 'ExecutionTimedOut') {
      previousEventId = 0;
    }
    if (event !== null && id >= LIMITS.historyEvents && !endsExecution(event.type)) {
      const cause = `The execution reached the maximum number of history events (${LIMITS.historyEvents}).`;
      const details = { executionFailedEventDetails: { error: RUNTIME_ERROR, cause } };
      event = { type: 'ExecutionFailed', details };
      note = null;
      previousEventId = id - 1;
    }
    const row: HistoryRow = {
      seq: execution.seq + 1,
      lane: draft.lane,
      event:
        event === null
          ? null
          : { id, previousEventId, timestamp, type: event.type, ...event.details },
      note,
    };
    applyRow(execution, row);
    this.#journal.add(row);
  }

  #onStored(rows: readonly HistoryRow[]): void {
    if (this.#journal.waiting === 0) this.#stopForsakenChildren();
    if (rows.some(({ event }) => event !== null && endsExecution(event.type))) {
      this.close('the execution has ended');
      this.#host.onEnd(this);
    } else this.drive();
  }

  #fault(error: unknown): void {
    if (this.#closed) return;
    this.close(error instanceof Error ? error.message : String(error));
    this.#host.onFault(this, error);
  }

  /** A child whose task has ended without it (timed out, aborted) is stopped, as AWS does. */
  #stopForsakenChildren(): void {
    for (const [laneId, { arn, turn }] of this.#children) {
      if (this.execution.lanes.get(laneId)?.turn === turn) continue;
      this.#children.delete(laneId);
      this.#host.outside.stopChild(arn, 'the task that started this execution has ended');
    }
  }

  #arm(now: number): void {
    let due = this.execution.status === 'RUNNING' ? this.execution.deadline : null;
    for (const lane of this.execution.lanes.values()) {
      const at = dueAt(lane);
      if (at !== null && at > now && (due === null || at < due)) due = at;
    }
    if (due === (this.#timer?.at ?? null)) return;
    this.#timer?.handle.cancel();
    this.#timer = null;
    if (due === null) return;
    const at = due;
    const handle = this.#host.clock.schedule(at, () => {
      this.#timer = null;
      this.drive();
    });
    this.#timer = { at, handle };
  }
}
