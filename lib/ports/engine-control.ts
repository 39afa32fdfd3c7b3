import type { Signal } from '#core/execution/commands.ts';
import type { SignalAnswer } from './execution-store.ts';

export type ControlSignal = Extract<Signal, { readonly kind: 'cancel' | 'pause' | 'resume' }>;

/** What is to be done to one execution of the engine, by whoever comes to it first. */
export interface ControlCommand {
  /** UUID v4: what is done under it is done once. */
  readonly id: string;
  readonly tenant: string;
  readonly executionId: string;
  readonly signal: ControlSignal;
  /** Where the call that asks for it stands in a trace, as `core/trace.ts` writes it; absent: nowhere. */
  readonly trace?: string | undefined;
}

/** Has an engine do it, and waits until one has. */
export interface EngineControl {
  /** When this resolves the signal is stored; and heard, where an engine said so in time. */
  signal(
    tenant: string,
    executionId: string,
    signal: ControlSignal,
    trace?: string,
  ): Promise<SignalAnswer>;
}

/** Signals under the id of a command. */
export interface CommandedSignals {
  /** As `ExecutionAccess.signal`; for a command that was stored before, what was answered then. */
  store(command: ControlCommand, now: number): Promise<SignalAnswer>;
  /** Whether an engine has taken it up; true too where nothing was stored. */
  isHeard(tenant: string, commandId: string): Promise<boolean>;
}
