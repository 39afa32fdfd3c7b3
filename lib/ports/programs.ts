import type { Program } from '#core/plan/program.ts';

/**
 * Programs by their hash. Content-addressed and immutable, so an implementation may keep them for
 * as long as it likes; an execution is pinned to the hash it was accepted with (I24).
 */
export interface Programs {
  /** Null: no version of this tenant has such a program. */
  find(tenant: string, programHash: string): Promise<Program | null>;
}
