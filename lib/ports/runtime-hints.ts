import type { Signal } from '#core/execution/commands.ts';
import type { Runtime } from '#core/plan/program.ts';

/**
 * Tells whoever runs executions that there is something to do, sooner than it would find out. The
 * stored row is the truth and is always written before: a lost hint costs time, never work. So these
 * do not answer, and must not throw.
 */
export interface RuntimeHints {
  accepted(hint: ExecutionHint): void;
  signalled(hint: ExecutionHint & { readonly signal: Signal }): void;
}

/** Hints that leave the process. */
export interface SentHints {
  readonly hints: RuntimeHints;
  /**
   * Resolves when nothing is on its way. A function must wait for it before it answers: afterwards it
   * is frozen, and what it was sending with it.
   */
  settled(): Promise<void>;
}

export interface ExecutionHint {
  readonly tenant: string;
  readonly executionId: string;
  readonly runtime: Runtime;
  /** Where what causes it stands in a trace, as `core/trace.ts` writes it; absent: nowhere. */
  readonly trace?: string | undefined;
}
