import { WARMING } from '#config/caches.ts';
import type { Cache } from '#ports/cache.ts';
import type { Clock } from '#ports/clock.ts';
import type { HotWorkflow, HotWorkflows } from '#ports/hot-workflows.ts';
import type { WorkflowStore } from '#ports/workflow-store.ts';
import { cachedWorkflows, versionName } from './cached-workflows.ts';

export interface WarmDeps {
  readonly hot: HotWorkflows;
  readonly store: Pick<WorkflowStore, 'find' | 'findVersion'>;
  readonly cache: Cache;
  readonly clock: Pick<Clock, 'now'>;
}

export interface Warmed {
  readonly count: number;
  /** Those that could not be read; the next who asks for one reads it. */
  readonly failed: number;
}

/**
 * Writes into the cache what is started most, so that a process that begins, or a cache that was emptied,
 * does not ask the database for all of it at once. Rejects where none could be read.
 */
export async function warmCaches({ hot, store, cache, clock }: WarmDeps): Promise<Warmed> {
  const { version, program } = cachedWorkflows(cache);
  const { days, workflows, atATime } = WARMING;
  const names = await hot.list(clock.now() - days * 86_400_000, workflows);

  async function warm({ tenant, mode, workflowId }: HotWorkflow): Promise<number> {
    const found = await store.find(tenant, mode, workflowId);
    if (found === null) return 0;
    const record = await store.findVersion(tenant, mode, workflowId, found.version);
    if (record === null) return 0;
    await version.write(versionName(found, found.version), record);
    await program.write({ tenant, parts: [record.programHash] }, record.program);
    return 1;
  }

  let [count, failed, next] = [0, 0, 0];
  let last: unknown;
  const lane = async (): Promise<void> => {
    for (let name = names[next++]; name !== undefined; name = names[next++]) {
      try {
        const warmed = await warm(name);
        // After the wait: the lanes add to one sum.
        count += warmed;
      } catch (error) {
        failed += 1;
        last = error;
      }
    }
  };
  await Promise.all(Array.from({ length: atATime }, lane));
  if (failed > 0 && failed === names.length) throw last;
  return { count, failed };
}
