/**
 * One execution in the memory of its owner: outcomes in, events to the log, commands out.
 *
 * Owns: the order of decide, append and perform for one execution. The host owns: which executions
 * are here, the lease, and where signals come from.
 *
 *  E1 one append at a time; what happens meanwhile waits in the inbox and is decided together;
 *  E2 a command starts only after the events of its decision are durable, and state moves only then;
 *  E3 what the log says wins: after a conflict or an unknown answer the state is read again, and what
 *     had been decided is decided anew;
 *  E4 a fenced execution is forgotten at once, with all it has going on;
 *  E5 a signal leaves the database in the same append that records what followed from it;
 *  E6 one that cannot be decided or written is laid aside for a while, never tried in a tight loop;
 *  E7 a timer that rang is due, whatever the clock of this host says when it is decided upon: it rings once.
 */
import { METRICS } from '#config/metrics.ts';
import type { Outcome } from '#core/execution/commands.ts';
import { answeredCommand } from '#core/execution/decision.ts';
import { isFinal } from '#core/execution/events.ts';
import { foldStored } from '#core/execution/fold.ts';
import { outstanding } from '#core/execution/outstanding.ts';
import { project } from '#core/execution/project.ts';
import { checkpointDue, snapshot } from '#core/execution/snapshot.ts';
import type { ExecutionState } from '#core/execution/state.ts';
import type { Program } from '#core/plan/program.ts';
import type { Clock } from '#ports/clock.ts';
import type {
  AppendAnswer,
  AppendRequest,
  ChildSignal,
  ExecutionHeader,
  LoadedExecution,
  ReleaseAnswer,
  StoredSignal,
} from '#ports/execution-store.ts';
import type { Ids } from '#ports/ids.ts';
import type { Log } from '#ports/log.ts';
import type { Metrics } from '#ports/metrics.ts';
import { lifecycleMessages, signalsToChildren, signalToParent } from '#steps/lifecycle.ts';
import { measureEvents } from '#steps/measure.ts';
import { LAY_ASIDE_MS } from './deps.ts';
import { createErrands } from './errands.ts';

import type { Perform } from './perform.ts';
import { decideTogether, type Item, type Turn } from './turn.ts';

export interface ActorHost {
  readonly clock: Clock;
  readonly ids: Ids;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly perform: Perform;
  readonly parkAfterMs: number;
  readonly parkBeyondMs: number;
  append(request: AppendRequest): Promise<AppendAnswer>;
  /** Null: no longer ours. */
  reload(header: ExecutionHeader, epoch: number, whole: boolean): Promise<LoadedExecution | null>;
  release(
    header: ExecutionHeader,
    epoch: number,
    wakeAt: number | null,
    signalCount: number,
  ): Promise<ReleaseAnswer>;
  closeApproval(header: ExecutionHeader, step: string, now: number): Promise<void>;
  /** Commands may start: the lease holds and the host is not draining. */
  mayStart(): boolean;
  /** The actor is over: ended, parked until `wakeAt`, or lost. Called once. */
  gone(actor: Actor, why: Gone): void;
  /** A parent has a signal. */
  signalled(tenant: string, executionId: string): void;
  /** There are signals that are not here yet. */
  wantsSignals(): void;
}

export type Gone =
  | { readonly kind: 'ended' }
  | { readonly kind: 'parked'; readonly wakeAt: number | null; readonly again: boolean }
  | { readonly kind: 'lost' }
  /** Given back for a while: it could not be decided or written here. */
  | { readonly kind: 'aside' }
  /** It may still be this process's in the database, although it is not here any more. */
  | { readonly kind: 'stranded' };

export interface Actor {
  readonly header: ExecutionHeader;
  readonly epoch: number;
  /** Nothing is being written or performed, and nothing waits to be decided. */
  readonly idle: boolean;
  /** Takes up what the log leaves to be done. */
  begin(): void;
  signal(signal: StoredSignal): void;
  /** Gives it up to whoever comes next, once nothing is under way. Resolves when it is gone. */
  handOver(): Promise<void>;
  /** Forgets it at once: abandons calls, records nothing more. */
  drop(): void;
}

/** Tries to read the truth again after a write whose answer is unknown. */
const RELOAD_DELAYS_MS = [20, 100, 300, 1_000, 2_000, 2_000];
/** How often one write may fail in a row before the execution is laid aside (E6). */
const MAX_FAILURES = 4;

export function createActor(
  host: ActorHost,
  program: Program,
  loaded: LoadedExecution,
  folded: ExecutionState,
): Actor {
  const { header, epoch } = loaded;
  const { clock } = host;
  let state = folded;
  let inbox: Item[] = [];
  let writing = false;
  let gone = false;
  let failures = 0;
  let handingOver: (() => void) | null = null;
  let parking: { cancel(): void } | null = null;
  let signalCount = loaded.signalCount;
  /** The latest time at which a timer rang (E7). */
  let rangAt = Number.NEGATIVE_INFINITY;
  const knownSignals = new Set<string>();
  const errands = createErrands({
    clock,
    ring: (at) => {
      rangAt = Math.max(rangAt, at);
      deliver({ kind: 'clock' });
    },
    failed: (command, error) =>
      // The rest of its id names a step, which is the tenant's word.
      log.warn('COMMAND_NOT_CARRIED_OUT', { kind: command.split(':')[0], error }),
    permission: () => (handingOver !== null ? 'leave' : host.mayStart() ? 'go' : 'wait'),
    perform: (work, signal) => host.perform({ header, program, state, signal }, work),
    done: (outcome) => {
      if (outcome !== null) deliver(outcome);
      else rest();
    },
    approvalClosed: (step) => {
      host
        .closeApproval(header, step, clock.now())
        .catch((error: unknown) => log.warn('APPROVAL_NOT_CLOSED', { error }));
    },
  });

  /** Every line about it says whose it is and which call began it. */
  const log = host.log.with({
    tenant: header.tenant,
    execution_id: header.id,
    correlation_id: header.correlationId,
  });

  function leave(why: Gone): void {
    if (gone) return;
    gone = true;
    parking?.cancel();
    errands.drop();
    host.gone(actor, why);
    handingOver?.();
  }

  // ── deciding and writing ─────────────────────────────────────────────────────────────────

  function deliver(outcome: Outcome, signalId: string | null = null): void {
    if (gone) return;
    inbox.push({ outcome, signalId });
    if (!writing) void work();
  }

  /** Never rejects: whatever goes wrong is handled in `turn`. */
  async function work(): Promise<void> {
    writing = true;
    parking?.cancel();
    parking = null;
    while (inbox.length > 0 && !gone) await turn();
    writing = false;
    if (!gone) rest();
  }

  async function turn(): Promise<void> {
    let decided: Turn;
    try {
      decided = decideTogether(program, state, inbox, Math.max(clock.now(), rangAt));
    } catch (error) {
      log.error('EXECUTION_UNDECIDABLE', { error });
      await layAside();
      return;
    }
    inbox = inbox.slice(decided.taken.length);
    if (decided.recorded.length === 0 && decided.consumedSignals.length === 0) {
      errands.carryOut(decided.commands);
      return;
    }
    await write(decided);
  }

  async function write(turn: Turn): Promise<void> {
    const { taken, recorded, events, consumedSignals, next, commands, now } = turn;
    let answer: AppendAnswer;
    let childSignals: readonly ChildSignal[];
    try {
      const rows = project(program, next, events);
      const over = isFinal(next.status);
      childSignals = signalsToChildren(program, header, next, events);
      answer = await host.append({
        tenant: header.tenant,
        executionId: header.id,
        epoch,
        events: recorded,
        steps: rows.steps,
        execution: rows.execution,
        checkpoint:
          !over && checkpointDue(state, next) ? { seq: next.seq, state: snapshot(next) } : null,
        consumedSignals,
        outbox: lifecycleMessages(header, next, events, state.seq + 1, now, host.ids),
        parentSignal: signalToParent(header, next),
        childSignals,
        now,
      });
    } catch (error) {
      if (gone) return;
      failures += 1;
      log.error('TRANSITION_UNCONFIRMED', { failures, error });
      host.metrics.add(METRICS.EngineFailures, { Reason: 'transition' });
      await readAgain(taken);
      return;
    }
    if (gone) return;
    if (answer === 'fenced') {
      leave({ kind: 'lost' });
      return;
    }
    if (answer === 'conflict') {
      failures += 1;
      log.warn('SEQUENCE_TAKEN');
      await readAgain(taken);
      return;
    }
    failures = 0;
    state = next;
    measureEvents(host, program, header, state, recorded);
    if (childSignals.length > 0) host.wantsSignals();
    if (isFinal(state.status)) {
      leave({ kind: 'ended' });
      if (header.parent !== null) host.signalled(header.tenant, header.parent.executionId);
      return;
    }
    errands.carryOut(commands);
  }

  /** E3. Outcomes that were not recorded are decided again on what is. */
  async function readAgain(lost: readonly Item[]): Promise<void> {
    if (failures > MAX_FAILURES) {
      await layAside();
      return;
    }
    for (const delay of RELOAD_DELAYS_MS) {
      await pause(delay);
      if (gone) return;
      try {
        const now = await load();
        if (now === null) {
          leave({ kind: 'lost' });
          return;
        }
        state = now;
        inbox = [...lost, ...inbox];
        if (isFinal(state.status)) leave({ kind: 'ended' });
        else resume();
        return;
      } catch (error) {
        log.warn('EXECUTION_NOT_RELOADED', { error });
      }
    }
    // The database is away for longer: the lease decides who goes on.
    leave({ kind: 'stranded' });
  }

  async function load(): Promise<ExecutionState | null> {
    const stored = await host.reload(header, epoch, false);
    if (stored === null) return null;
    const folded = foldStored(program, stored);
    if (folded !== null) return folded;
    const whole = await host.reload(header, epoch, true);
    return whole === null ? null : foldStored(program, whole);
  }

  async function layAside(): Promise<void> {
    let answer: ReleaseAnswer | null = null;
    try {
      answer = await host.release(header, epoch, clock.now() + LAY_ASIDE_MS, signalCount);
    } catch (error) {
      log.warn('EXECUTION_NOT_LAID_ASIDE', { error });
    }
    if (answer === 'released') leave({ kind: 'aside' });
    else leave({ kind: answer === 'fenced' ? 'lost' : 'stranded' });
  }

  /**
   * Takes up what the log leaves to be done, and that alone. What was answered already, and only not
   * recorded yet, is not asked for again.
   */
  function resume(): void {
    const answered = new Set(inbox.map(({ outcome }) => answeredCommand(outcome)));
    errands.resume(outstanding(program, state).filter(({ id }) => !answered.has(id)));
    if (state.status === 'PENDING') deliver({ kind: 'start' });
  }

  // ── resting ──────────────────────────────────────────────────────────────────────────────

  function isIdle(): boolean {
    return !writing && inbox.length === 0 && errands.idle;
  }

  /** Nothing to do for now: after a moment the database may have it back. */
  function rest(): void {
    if (gone || !isIdle()) return;
    if (handingOver !== null) {
      void park();
      return;
    }
    if (parking !== null) return;
    const due = errands.nextTimer ?? Number.POSITIVE_INFINITY;
    if (due - clock.now() <= host.parkBeyondMs) return;
    parking = clock.after(host.parkAfterMs, () => {
      parking = null;
      if (!gone && isIdle()) void park();
    });
  }

  async function park(): Promise<void> {
    const wakeAt = handingOver === null ? errands.nextTimer : clock.now();
    writing = true; // what arrives now waits for the answer
    let answer: ReleaseAnswer;
    try {
      answer = await host.release(header, epoch, wakeAt, signalCount);
    } catch (error) {
      log.warn('EXECUTION_NOT_RELEASED', { error });
      // It may be nobody's by now. Who went on with it would do so beside every list of what is whose,
      // and it would end with this process.
      leave({ kind: 'stranded' });
      return;
    }
    writing = false;
    if (gone) return;
    if (answer === 'released') {
      leave({ kind: 'parked', wakeAt, again: inbox.length > 0 });
    } else if (answer === 'fenced') {
      leave({ kind: 'lost' });
    } else if (handingOver !== null) {
      leave({ kind: 'lost' }); // resigning makes it free for others
    } else {
      host.wantsSignals();
      if (inbox.length > 0) void work();
      else rest();
    }
  }

  function pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      clock.after(ms, resolve);
    });
  }

  function receive(signal: StoredSignal, counted: boolean): void {
    if (knownSignals.has(signal.id)) return;
    knownSignals.add(signal.id);
    if (!counted) signalCount += 1;
    deliver(signal.signal, signal.id);
  }

  const actor: Actor = {
    header,
    epoch,
    get idle() {
      return isIdle();
    },
    begin() {
      // A cancel that came before the beginning is heard before it, so nothing starts.
      const unwanted = loaded.signals.some(({ signal }) => signal.kind === 'cancel');
      if (state.status !== 'PENDING' || !unwanted) resume();
      for (const signal of loaded.signals) receive(signal, true);
      if (!writing) rest();
    },
    signal: (signal) => receive(signal, false),
    handOver() {
      if (gone) return Promise.resolve();
      return new Promise((resolve) => {
        handingOver = resolve;
        rest();
      });
    },
    drop: () => leave({ kind: 'lost' }),
  };
  return actor;
}
