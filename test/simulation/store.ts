import type { Signal } from '#core/execution/commands.ts';
import type { ExecutionEvent, RecordedEvent } from '#core/execution/events.ts';
import { checkpointDue } from '#core/execution/snapshot.ts';
import type { ExecutionState } from '#core/execution/state.ts';
import { initialState } from '#core/execution/state.ts';
import type { Json } from '#core/json.ts';
import type { Program } from '#core/plan/program.ts';
import type { Core } from './core.ts';

export interface StoredSignal {
  readonly id: number;
  readonly signal: Signal;
  consumed: boolean;
  /** Events in the log when it was taken up. */
  consumedAfter: number;
}

/**
 * The durable part: one execution's log, checkpoint, signals and owner's epoch. A commit is all or
 * nothing; it is refused when the epoch or the sequence has moved on.
 */
export class Store {
  readonly log: (RecordedEvent & { readonly epoch: number })[] = [];
  readonly signals: StoredSignal[] = [];
  epoch = 0;
  checkpoints = 0;
  private checkpoint: { readonly seq: number; readonly json: string } | null = null;
  private readonly core: Core;
  private readonly program: Program;

  constructor(core: Core, program: Program) {
    this.core = core;
    this.program = program;
  }

  claim(): number {
    this.epoch += 1;
    return this.epoch;
  }

  commit(write: {
    readonly epoch: number;
    readonly baseSeq: number;
    readonly events: readonly ExecutionEvent[];
    readonly at: number;
    readonly signal: StoredSignal | null;
    readonly before: ExecutionState;
    readonly after: ExecutionState;
  }): 'done' | 'conflict' {
    const moved = write.epoch !== this.epoch || write.baseSeq !== this.log.length;
    if (this.core.fenced && moved) return 'conflict';
    for (const [i, event] of write.events.entries()) {
      const seq = write.baseSeq + 1 + i;
      this.log.push({ seq, at: write.at, event, epoch: write.epoch });
    }
    if (write.signal !== null) {
      write.signal.consumed = true;
      write.signal.consumedAfter = write.baseSeq;
    }
    if (checkpointDue(write.before, write.after)) {
      this.checkpoints += 1;
      const json = JSON.stringify(this.core.snapshot(write.after));
      this.checkpoint = { seq: write.after.seq, json };
    }
    return 'done';
  }

  /** Checkpoint and tail. */
  load(): ExecutionState {
    let state =
      this.checkpoint === null
        ? initialState({ id: 'x' })
        : this.core.restore(this.program, JSON.parse(this.checkpoint.json) as Json);
    if (state === null) throw new Error('the checkpoint has another form');
    for (const recorded of this.log.slice(state.seq)) {
      state = this.core.apply(this.program, state, recorded);
    }
    return state;
  }

  /** The whole log, from zero. */
  fold(): ExecutionState {
    let state = initialState({ id: 'x' });
    for (const recorded of this.log) state = this.core.apply(this.program, state, recorded);
    return state;
  }
}
