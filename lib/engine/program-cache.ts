import { LRUCache } from 'lru-cache';
import type { Program } from '#core/plan/program.ts';
import type { Clock } from '#ports/clock.ts';
import type { ExecutionHeader } from '#ports/execution-store.ts';
import type { Programs } from '#ports/programs.ts';

const MAX_PROGRAMS = 1_000;
/** A store that is away for a moment must not cost an execution the minute of a refusal: 3 s in all. */
const TRIES = 6;
const FIRST_PAUSE_MS = 100;

/** Programs in memory, by tenant and hash. They never change, so there is nothing to invalidate. */
export interface ProgramCache {
  known(header: ExecutionHeader): Program | undefined;
  /** Rejects when there is no such program. Asked for by many at once, it is read once. */
  find(header: ExecutionHeader): Promise<Program>;
}

export function createProgramCache(programs: Programs, clock: Clock): ProgramCache {
  const cache = new LRUCache<string, Program>({ max: MAX_PROGRAMS });
  const reading = new Map<string, Promise<Program>>();
  const keyOf = (header: ExecutionHeader): string => `${header.tenant}/${header.programHash}`;

  async function readPatiently({ tenant, programHash }: ExecutionHeader): Promise<Program | null> {
    for (let tries = 1; ; tries++) {
      try {
        return await programs.find(tenant, programHash);
      } catch (error) {
        if (tries === TRIES) throw error;
        const ms = FIRST_PAUSE_MS * 2 ** (tries - 1);
        await new Promise<void>((resolve) => {
          clock.after(ms, resolve);
        });
      }
    }
  }

  return {
    known: (header) => cache.get(keyOf(header)),
    find(header) {
      const key = keyOf(header);
      let read = reading.get(key);
      if (read === undefined) {
        read = readPatiently(header)
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
