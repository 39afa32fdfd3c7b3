import type { PlatformEvent } from '#core/events/schemas.ts';
import type { Cache } from '#ports/cache.ts';
import type { Projection } from '#ports/projections.ts';
import { type CachedWorkflows, cachedWorkflows, workflowName } from './cached-workflows.ts';

/** The cache has not answered: what it was to forget it is told again. */
export class CacheAway extends Error {
  constructor() {
    super('the cache has not said that it has forgotten what has changed');
    this.name = 'CacheAway';
  }
}

type Of<T extends PlatformEvent['event_type']> = Extract<PlatformEvent, { event_type: T }>;

/** How each type of event is forgotten; answers whether it was. Twice is as well as once. */
const FORGETS: {
  readonly [T in PlatformEvent['event_type']]?: (
    caches: CachedWorkflows,
    event: Of<T>,
  ) => Promise<boolean>;
} = {
  'workflow.definition.changed': async ({ workflow, version }, { tenant_id: tenant, payload }) => {
    const { mode, workflow_id: workflowId } = payload;
    const name = workflowName({ tenant, mode, workflowId });
    const told = await workflow.forget(name, payload.revision);
    if (!told || payload.change !== 'deleted') return told;
    // No name leads there any more: for room, and so that what was deleted lies nowhere.
    return (await version.forgetUnder(name)) !== null;
  },
};

/** Types of events after which something is forgotten. */
export const forgettingTypes = Object.keys(FORGETS) as PlatformEvent['event_type'][];

/** Has the cache forget what events say has changed. */
export function createForgetting(cache: Cache): Projection {
  const caches = cachedWorkflows(cache);
  return {
    async apply(events) {
      let count = 0;
      for (const event of events) {
        const forget = FORGETS[event.event_type] as
          | ((caches: CachedWorkflows, event: PlatformEvent) => Promise<boolean>)
          | undefined;
        if (forget === undefined) continue;
        if (!(await forget(caches, event))) throw new CacheAway();
        count += 1;
      }
      return count;
    },
  };
}
