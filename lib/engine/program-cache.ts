import { LRUCache } from 'lru-cache';
import type { Program } from '#core/plan/program.ts';
import type { ExecutionHeader } from '#ports/execution-store.ts';
import type { Programs } from '#ports/programs.ts';

const MAX_PROGRAMS = 1_000;

/** Programs in memory, by tenant and hash. They never change, so there is nothing to invalidate. */
export interface ProgramCache {
  known(header: ExecutionHeader): Program | undefined;
  /** Rejects when there is no such program. Asked for by many at once, it is read once. */
  find(header: ExecutionHeader): Promise<Program>;
}

export function createProgramCache(programs: Programs): ProgramCache {
  const cache = new LRUCache<string, Program>({ max: MAX_PROGRAMS });
  const reading = new Map<string, Promise<Program>>();
  const keyOf = (header: ExecutionHeader): string => `${header.tenant}/${header.programHash}`;
  return {
    known: (header) => cache.get(keyOf(header)),
    find(header) {
      const key = keyOf(header);
      let read = reading.get(key);
      if (read === undefined) {
        read = programs
          .find(header.tenant, header.programHash)
          .then((program) => {
            if (program === null) {
              throw new Error(`no program ${header.programHash} of workflow ${header.workflowId}`);
            }
            cache.set(key, program);
            return program;
          })
          .finally(() => reading.delete(key));
        reading.set(key, read);
      }
      return read;
    },
  };
}
