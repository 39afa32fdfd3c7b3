import type { CheckedWorkflow } from '#core/check-workflow.ts';
import type { Runtime } from '#core/plan/program.ts';

/** What a check says of a definition, without the machine: that is written when it is needed. */
export type CheckedDocument =
  | Omit<Extract<CheckedWorkflow, { ok: true }>, 'machine' | 'definition'>
  | Extract<CheckedWorkflow, { ok: false }>;

export interface DefinitionCheck {
  /** Takes turns with the others where there is more to check than can be. */
  readonly tenant: string;
  readonly document: unknown;
  /** What `auto` means where both runtimes can run it. */
  readonly preferred: Runtime;
  /** Children of stored workflows by id; null as value: there is no such workflow. */
  readonly children: ReadonlyMap<string, readonly string[] | null> | null;
}

/**
 * Checks definitions. It is pure work, but the largest definition takes half a second of it, so who
 * serves many callers in one thread does it elsewhere.
 */
export interface DefinitionChecks {
  /** Rejects with UNAVAILABLE when too much waits, never for what the document says. */
  check(request: DefinitionCheck): Promise<CheckedDocument>;
}
