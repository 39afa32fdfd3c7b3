import { expect } from 'vitest';
import { apply } from '#core/execution/apply.ts';
import type { Command, CommandOf, Outcome, Signal } from '#core/execution/commands.ts';
import { decide } from '#core/execution/decide.ts';
import type { CarriedResult, ExecutionEvent, RecordedEvent } from '#core/execution/events.ts';
import type { Quota } from '#core/execution/quota.ts';
import type { ExecutionReport } from '#core/execution/report.ts';
import { report } from '#core/execution/report.ts';
import type { ExecutionState } from '#core/execution/state.ts';
import { initialState } from '#core/execution/state.ts';
import type { Json } from '#core/json.ts';
import { checkDefinition } from '#core/plan/check.ts';
import type { Program } from '#core/plan/program.ts';
import { evaluateAll, succeeded } from './step-runner.ts';

/**
 * A host without a store: it does what commands ask, on a clock of its own, in order of time. Every
 * decision's events are folded again and must give the decision's state.
 */
export type Answer =
  | { readonly output: Json; readonly ms?: number }
  | { readonly error: string; readonly ms?: number }
  | 'never';

export interface Script {
  readonly input?: Json;
  readonly calls?: (call: CommandOf<'call'>) => Answer;
  readonly compensations?: (call: CommandOf<'compensate'>) => Answer;
  readonly children?: (child: CommandOf<'start_child'>) => Answer;
  readonly approvals?: (asked: CommandOf<'request_approval'>) => Answer;
  readonly signals?: readonly { readonly at: number; readonly signal: Signal }[];
  readonly carried?: { readonly [step: string]: CarriedResult };
  readonly startAt?: number;
  readonly quota?: Quota;
}

/** A definition with the members that every one has. */
export function workflow(steps: readonly object[], more: object = {}): Program {
  const checked = checkDefinition({ workflow_id: 'test', version: '1.0.0', steps, ...more });
  if (!checked.ok) throw new Error(JSON.stringify(checked.problems, null, 2));
  return checked.program;
}

export const http = (id: string, more: { readonly [name: string]: unknown } = {}) => ({
  id,
  type: 'http_request',
  config: { url: `https://example.com/${id}`, ...(more['config'] as object | undefined) },
  ...Object.fromEntries(Object.entries(more).filter(([name]) => name !== 'config')),
});

export const START = 1_000_000;

export class Driver {
  readonly program: Program;
  readonly script: Script;
  readonly log: RecordedEvent[] = [];
  readonly commands: { readonly at: number; readonly command: Command }[] = [];
  state: ExecutionState;
  now: number;
  private readonly timers = new Map<string, number>();
  private readonly queue: {
    readonly at: number;
    readonly id: string;
    readonly outcome: Outcome;
  }[] = [];

  constructor(program: Program, script: Script = {}) {
    this.program = program;
    this.script = script;
    this.now = script.startAt ?? START;
    this.state = initialState({ id: 'execution-1' });
    this.append([created(program, script)]);
    for (const { at, signal } of script.signals ?? []) {
      this.queue.push({ at: this.now + at, id: 'signal', outcome: signal });
    }
  }

  async run(): Promise<ExecutionReport> {
    await this.send({ kind: 'start' });
    for (let turn = 0; turn < 100_000 && (await this.step()); turn++);
    return this.report();
  }

  report(): ExecutionReport {
    return report(this.program, this.state);
  }

  /** Goes to the next thing that happens; false when nothing does. */
  async step(): Promise<boolean> {
    this.queue.sort((a, b) => a.at - b.at);
    const [next] = this.queue;
    const timer = [...this.timers].sort((a, b) => a[1] - b[1])[0];
    if (next === undefined && timer === undefined) return false;
    if (timer !== undefined && (next === undefined || timer[1] < next.at)) {
      this.timers.delete(timer[0]);
      this.now = Math.max(this.now, timer[1]);
      await this.send({ kind: 'clock' });
      return true;
    }
    if (next === undefined) return false;
    this.queue.shift();
    this.now = Math.max(this.now, next.at);
    await this.send(next.outcome);
    return true;
  }

  /** Decides about one outcome and does what follows. */
  async send(outcome: Outcome): Promise<readonly ExecutionEvent[]> {
    const decided = decide(this.program, this.state, outcome, this.now, this.script.quota);
    this.append(decided.events);
    expect(this.state).toEqual(decided.state);
    for (const command of decided.commands) await this.perform(command);
    return decided.events;
  }

  private append(events: readonly ExecutionEvent[]): void {
    for (const event of events) {
      const recorded = { seq: this.state.seq + 1, at: this.now, event };
      this.state = apply(this.program, this.state, recorded);
      this.log.push(recorded);
    }
  }

  private async perform(command: Command): Promise<void> {
    this.commands.push({ at: this.now, command });
    switch (command.kind) {
      case 'timer':
        this.timers.set(command.id, command.dueAt);
        return;
      case 'abandon': {
        this.timers.delete(command.id);
        const found = this.queue.findIndex(({ id }) => id === command.id);
        if (found >= 0) this.queue.splice(found, 1);
        return;
      }
      case 'evaluate': {
        const results = await evaluateAll(command.expressions, command.bindings);
        const { step, slot } = command;
        this.push(command.id, 0, { kind: 'evaluated', step, slot, results });
        return;
      }
      case 'call': {
        const answer: Answer = this.script.calls?.(command) ?? { output: { ok: true } };
        if (answer === 'never') return;
        const { step, attempt } = command;
        const outcome: Outcome =
          'error' in answer
            ? { kind: 'call_failed', step, attempt, error: errorOf(answer.error) }
            : await succeeded(this.program, this.state, step, attempt, answer.output);
        this.push(command.id, answer.ms ?? 0, outcome);
        return;
      }
      case 'compensate': {
        const { step, attempt } = command;
        const answer: Answer = this.script.compensations?.(command) ?? { output: null };
        if (answer === 'never') return;
        this.push(
          command.id,
          answer.ms ?? 0,
          'error' in answer
            ? { kind: 'compensation_call_failed', step, attempt, error: errorOf(answer.error) }
            : { kind: 'compensated', step, attempt },
        );
        return;
      }
      case 'start_child': {
        const { step } = command;
        const executionId = `child-${step}`;
        this.push(command.id, 0, { kind: 'child_started', step, executionId });
        const answer: Answer = this.script.children?.(command) ?? { output: {} };
        if (answer === 'never' || command.detach) return;
        this.push(command.id, answer.ms ?? 0, {
          kind: 'child_ended',
          step,
          executionId,
          status: 'error' in answer ? 'FAILED' : 'COMPLETED',
          output: 'error' in answer ? null : answer.output,
          error: 'error' in answer ? errorOf(answer.error) : null,
        });
        return;
      }
      case 'request_approval': {
        const answer = this.script.approvals?.(command) ?? 'never';
        if (answer === 'never') return;
        const ms = answer.ms ?? 0;
        this.push(command.id, ms, {
          kind: 'approval_answered',
          step: command.step,
          decision: 'error' in answer ? 'rejected' : 'approved',
          by: 'ada',
          comment: null,
          at: this.now + ms,
        });
      }
    }
  }

  private push(id: string, ms: number, outcome: Outcome): void {
    this.queue.push({ at: this.now + ms, id, outcome });
  }
}

export function errorOf(code: string): { code: string; message: string } {
  return { code: code.includes('.') ? code : `CloudFlow.${code}`, message: `${code} happened` };
}

function created(program: Program, script: Script): ExecutionEvent {
  return {
    type: 'execution_created',
    workflow_id: program.workflowId,
    version: program.version,
    program_hash: program.hash,
    runtime: 'engine',
    input: script.input ?? {},
    root_id: 'execution-1',
    parent: null,
    depth: 0,
    retry_of: null,
    carried: script.carried ?? null,
  };
}

/** Runs a workflow to its end, or to where nothing happens any more. */
export async function run(
  program: Program,
  script: Script = {},
): Promise<{ driver: Driver; result: ExecutionReport }> {
  const driver = new Driver(program, script);
  const result = await driver.run();
  return { driver, result };
}

/** Times of the calls of a step, counted from the start. */
export function callTimes(driver: Driver, step: string): number[] {
  return driver.commands
    .filter(({ command }) => command.kind === 'call' && command.step === step)
    .map(({ at }) => at - START);
}
