import type { Command, Outcome, Signal } from '#core/execution/commands.ts';
import type { ExecutionEvent } from '#core/execution/events.ts';
import { isFinal } from '#core/execution/events.ts';
import { findPlace, indexOf } from '#core/execution/program-index.ts';
import type { Quota } from '#core/execution/quota.ts';
import { QUOTA } from '#core/execution/quota.ts';
import type { ExecutionState } from '#core/execution/state.ts';
import type { Json } from '#core/json.ts';
import type { Program } from '#core/plan/program.ts';
import { evaluateAll, succeeded } from '#test/core/execution/step-runner.ts';
import type { Core } from './core.ts';
import type { Random } from './random.ts';
import type { StoredSignal } from './store.ts';
import { Store } from './store.ts';
import { World } from './world.ts';

/** What goes wrong and how often. `crashAt`: after the commit that holds this event, unacknowledged. */
export interface Faults {
  readonly crash: number;
  readonly takeOver: number;
  readonly duplicate: number;
  readonly crashAt: number | null;
  /** Longest time until another host takes over. */
  readonly takeOverMs: number;
}

export const CALM: Faults = {
  crash: 0,
  takeOver: 0,
  duplicate: 0,
  crashAt: null,
  takeOverMs: 0,
};

interface Host {
  readonly epoch: number;
  alive: boolean;
  state: ExecutionState;
  readonly doing: Set<string>;
  readonly timers: Map<string, number>;
}

type Happening =
  | {
      readonly kind: 'outcome';
      readonly host: Host;
      readonly id: string;
      readonly outcome: Outcome;
    }
  | { readonly kind: 'timer'; readonly host: Host; readonly id: string }
  | { readonly kind: 'signal'; readonly signal: Signal }
  | { readonly kind: 'claim' };

export interface Run {
  readonly program: Program;
  readonly store: Store;
  readonly world: World;
  readonly final: ExecutionState;
  /** What the hosts themselves thought at the end, those that were alive. */
  readonly hosts: readonly ExecutionState[];
  readonly crashes: number;
  readonly timeline: readonly string[];
  readonly ended: boolean;
  readonly quota: Quota;
}

/**
 * One execution in a simulated world: hosts that crash, overlap and are fenced, a store that keeps or
 * loses commits, receivers that lose answers, outcomes that come twice and late.
 */
export class Simulation {
  readonly store: Store;
  readonly world: World;
  private readonly program: Program;
  private readonly input: Json;
  private readonly core: Core;
  private readonly random: Random;
  private readonly faults: Faults;
  private readonly quota: Quota;
  private readonly timeline: string[] = [];
  private readonly happenings: {
    readonly at: number;
    readonly no: number;
    readonly what: Happening;
  }[] = [];
  private readonly hosts: Host[] = [];
  private count = 0;
  private crashes = 0;
  private now = 1_000_000;

  constructor(setup: {
    readonly program: Program;
    readonly input: Json;
    readonly core: Core;
    readonly random: Random;
    readonly seed: number;
    readonly faults: Faults;
    readonly quota?: Quota;
    readonly signals?: readonly { readonly at: number; readonly signal: Signal }[];
  }) {
    this.program = setup.program;
    this.input = setup.input;
    this.core = setup.core;
    this.random = setup.random;
    this.faults = setup.faults;
    this.quota = setup.quota ?? QUOTA;
    this.store = new Store(setup.core, setup.program);
    this.world = new World(setup.seed);
    for (const { at, signal } of setup.signals ?? []) {
      this.at(at, { kind: 'signal', signal });
    }
  }

  async run(): Promise<Run> {
    this.store.log.push({ seq: 1, at: this.now, epoch: 0, event: this.created() });
    this.at(0, { kind: 'claim' });
    for (let turn = 0; turn < 20_000 && this.happenings.length > 0; turn++) {
      const next = this.takeNext();
      this.now = Math.max(this.now, next.at);
      await this.happen(next.what);
    }
    const final = this.store.fold();
    return {
      program: this.program,
      store: this.store,
      world: this.world,
      final,
      hosts: this.hosts.filter(({ alive }) => alive).map(({ state }) => state),
      crashes: this.crashes,
      timeline: this.timeline,
      ended: isFinal(final.status),
      quota: this.quota,
    };
  }

  private takeNext(): { readonly at: number; readonly what: Happening } {
    let best = 0;
    for (let i = 1; i < this.happenings.length; i++) {
      const [a, b] = [this.happenings[i], this.happenings[best]];
      if (a === undefined || b === undefined) continue;
      if (a.at < b.at || (a.at === b.at && a.no < b.no)) best = i;
    }
    const [next] = this.happenings.splice(best, 1);
    if (next === undefined) throw new RangeError('nothing happens');
    return next;
  }

  private at(ms: number, what: Happening): void {
    this.happenings.push({ at: this.now + ms, no: this.count++, what });
  }

  private note(text: string): void {
    this.timeline.push(`${this.now - 1_000_000} ${text}`);
  }

  private async happen(what: Happening): Promise<void> {
    switch (what.kind) {
      case 'claim':
        await this.claim();
        return;
      case 'signal': {
        const stored: StoredSignal = {
          id: this.store.signals.length,
          signal: what.signal,
          consumed: false,
          consumedAfter: 0,
        };
        this.store.signals.push(stored);
        this.note(`signal ${what.signal.kind}`);
        for (const host of this.hosts.filter(({ alive }) => alive)) {
          await this.handle(host, what.signal, stored);
        }
        return;
      }
      case 'timer':
        if (!what.host.alive || !what.host.timers.has(what.id)) return;
        if ((what.host.timers.get(what.id) ?? 0) > this.now) return; // replaced by a later one
        what.host.timers.delete(what.id);
        await this.handle(what.host, { kind: 'clock' }, null);
        return;
      case 'outcome':
        if (!what.host.alive) return;
        what.host.doing.delete(what.id);
        await this.handle(what.host, what.outcome, null);
    }
  }

  /** A host takes the execution over: checkpoint and tail, then what is outstanding. */
  private async claim(): Promise<void> {
    const epoch = this.store.claim();
    const state = this.store.load();
    const host: Host = { epoch, alive: true, state, doing: new Set(), timers: new Map() };
    this.hosts.push(host);
    this.note(`host ${epoch} claims at event ${state.seq}`);
    if (isFinal(state.status)) return;
    for (const command of this.core.outstanding(this.program, state)) {
      await this.perform(host, command);
    }
    for (const stored of this.store.signals.filter(({ consumed }) => !consumed)) {
      await this.handle(host, stored.signal, stored);
    }
    if (state.status === 'PENDING') await this.handle(host, { kind: 'start' }, null);
  }

  private async handle(host: Host, outcome: Outcome, stored: StoredSignal | null): Promise<void> {
    if (!host.alive) return;
    const before = host.state;
    const decided = this.core.decide(this.program, before, outcome, this.now, this.quota);
    if (decided.events.length === 0 && stored === null) {
      for (const command of decided.commands) await this.perform(host, command);
      return;
    }
    const fault = this.faultOf(before.seq, decided.events.length);
    if (fault === 'before') {
      this.crash(host, `host ${host.epoch} dies before storing ${outcome.kind}`);
      return;
    }
    const committed = this.store.commit({
      epoch: host.epoch,
      baseSeq: before.seq,
      events: decided.events,
      at: this.now,
      signal: stored,
      before,
      after: decided.state,
    });
    if (committed === 'conflict') {
      host.alive = false;
      this.note(`host ${host.epoch} is fenced off`);
      return;
    }
    for (const event of decided.events) this.note(`${host.epoch}: ${describe(event)}`);
    if (fault === 'after') {
      this.crash(host, `host ${host.epoch} dies after storing ${outcome.kind}`);
      return;
    }
    host.state = decided.state;
    for (const command of decided.commands) await this.perform(host, command);
    if (!isFinal(host.state.status) && this.random.chance(this.faults.takeOver)) {
      this.crashes += 1;
      this.note(`host ${host.epoch} is thought dead`);
      this.at(this.random.int(0, this.faults.takeOverMs), { kind: 'claim' });
    }
  }

  private faultOf(seq: number, events: number): 'before' | 'after' | null {
    const { crashAt, crash } = this.faults;
    if (crashAt !== null) {
      return crashAt > seq && crashAt <= seq + events && this.crashes === 0 ? 'after' : null;
    }
    if (!this.random.chance(crash)) return null;
    return this.random.pick(['before', 'after']);
  }

  private crash(host: Host, what: string): void {
    host.alive = false;
    this.crashes += 1;
    this.note(what);
    this.at(this.random.int(0, this.faults.takeOverMs), { kind: 'claim' });
  }

  private async perform(host: Host, command: Command): Promise<void> {
    if (command.kind === 'timer') {
      host.timers.set(command.id, command.dueAt);
      this.at(Math.max(0, command.dueAt - this.now), { kind: 'timer', host, id: command.id });
      return;
    }
    if (command.kind === 'abandon') {
      host.timers.delete(command.id);
      host.doing.delete(command.id);
      return;
    }
    if (this.core.dedupes && host.doing.has(command.id)) return;
    host.doing.add(command.id);
    const { id, step } = command;
    const reply = (ms: number, outcome: Outcome): void => {
      this.at(ms, { kind: 'outcome', host, id, outcome });
      if (!this.random.chance(this.faults.duplicate)) return;
      this.at(ms + this.random.int(0, 5_000), { kind: 'outcome', host, id: `${id}'`, outcome });
    };
    switch (command.kind) {
      case 'evaluate': {
        const results = await evaluateAll(command.expressions, command.bindings);
        reply(0, { kind: 'evaluated', step, slot: command.slot, results });
        return;
      }
      case 'call': {
        const { attempt } = command;
        if (this.isCallback(step)) {
          reply(this.world.dice(step) % 50, {
            kind: 'call_succeeded',
            step,
            attempt,
            output: null,
            compensation: null,
          });
          this.expectAnswer(step, this.callbackAnswer(step));
          return;
        }
        const reaction = this.world.call('call', step, attempt, this.now, host.epoch);
        reply(
          reaction.ms,
          reaction.kind === 'ok'
            ? await succeeded(this.program, host.state, step, attempt, reaction.output)
            : { kind: 'call_failed', step, attempt, error: { code: reaction.code, message: '' } },
        );
        return;
      }
      case 'compensate': {
        const { attempt } = command;
        const reaction = this.world.call('compensate', step, attempt, this.now, host.epoch);
        reply(
          reaction.ms,
          reaction.kind === 'ok'
            ? { kind: 'compensated', step, attempt }
            : {
                kind: 'compensation_call_failed',
                step,
                attempt,
                error: { code: reaction.code, message: '' },
              },
        );
        return;
      }
      case 'request_approval':
        this.expectAnswer(step, {
          kind: 'approval_answered',
          step,
          decision: this.world.dice(step) % 4 === 0 ? 'rejected' : 'approved',
          by: 'ada',
          comment: null,
          at: 0,
        });
        return;
      case 'start_child': {
        const executionId = `child-of-${step}`;
        reply(1, { kind: 'child_started', step, executionId });
        const failed = this.world.dice(step) % 4 === 0;
        this.expectAnswer(step, {
          kind: 'child_ended',
          step,
          executionId,
          status: failed ? 'FAILED' : 'COMPLETED',
          output: failed ? null : { child: step },
          error: failed ? { code: 'Child.Broken', message: '' } : null,
        });
      }
    }
  }

  private isCallback(key: string): boolean {
    return findPlace(indexOf(this.program), key)?.info.step.type === 'callback';
  }

  private callbackAnswer(step: string): Signal {
    return this.world.dice(step) % 4 === 0
      ? { kind: 'callback_failed', step, error: { code: 'CloudFlow.CallbackFailed', message: '' } }
      : { kind: 'callback_completed', step, result: { called: step } };
  }

  /** Somebody answers once, some time after having been asked for the first time. */
  private expectAnswer(step: string, signal: Signal): void {
    if (this.world.requested.has(step)) return;
    this.world.requested.add(step);
    const ms = this.world.dice(`answer ${step}`) % 20_000;
    this.at(ms, { kind: 'signal', signal });
    if (this.world.dice(`twice ${step}`) % 5 === 0) {
      this.at(ms + 10, { kind: 'signal', signal });
    }
  }

  private created(): ExecutionEvent {
    return {
      type: 'execution_created',
      workflow_id: this.program.workflowId,
      version: this.program.version,
      program_hash: this.program.hash,
      runtime: 'engine',
      input: this.input,
      root_id: 'x',
      parent: null,
      depth: 0,
      retry_of: null,
      carried: null,
    };
  }
}

function describe(event: ExecutionEvent): string {
  const step = 'step' in event && event.step !== undefined ? ` ${event.step}` : '';
  const code = 'error' in event && event.error !== undefined ? ` ${event.error.code}` : '';
  const reason = event.type === 'step_skipped' ? ` ${event.class} ${event.reason}` : '';
  return `${event.type}${step}${code}${reason}`;
}
