import { LRUCache } from 'lru-cache';
import type { ExecutionState } from '#core/execution/state.ts';
import type { Program } from '#core/plan/program.ts';
import type { ExecutionHeader } from '#ports/execution-store.ts';

/**
 * What this process has read of executions, so that a task reads what came since and not the whole
 * log again.
 *
 *  K1 A log only grows, so the state at one number is the same for ever: what is known is never wrong,
 *     only behind, and whoever records reads the rest under the execution's lock.
 *  K2 Only what is committed is kept, never what is about to be written.
 *  K3 Bounded by number and by size; what was let go is read again.
 */
export interface KnownExecutions {
  find(tenant: string, executionId: string): KnownExecution | undefined;
  /** Kept if it is further than what is known. */
  keep(known: KnownExecution): void;
  /** It has ended: nobody asks any more. */
  forget(tenant: string, executionId: string): void;
}

export interface KnownExecution {
  readonly header: ExecutionHeader;
  readonly program: Program;
  readonly state: ExecutionState;
}

const MAX_EXECUTIONS = 2_000;
const MAX_BYTES = 64 * 1_024 * 1_024;
/** What a step instance takes in memory beside its values, generously. */
const STEP_BYTES = 400;

export function createKnownExecutions(): KnownExecutions {
  const cache = new LRUCache<string, KnownExecution>({
    max: MAX_EXECUTIONS,
    maxSize: MAX_BYTES,
    sizeCalculation: ({ state }) => 1 + state.bytes + state.begun * STEP_BYTES,
  });
  const nameOf = (tenant: string, executionId: string): string => `${tenant}/${executionId}`;
  return {
    find: (tenant, executionId) => cache.get(nameOf(tenant, executionId)),
    keep(known) {
      const name = nameOf(known.header.tenant, known.header.id);
      if ((cache.peek(name)?.state.seq ?? -1) < known.state.seq) cache.set(name, known);
    },
    forget: (tenant, executionId) => void cache.delete(nameOf(tenant, executionId)),
  };
}
