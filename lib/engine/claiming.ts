import { METRICS } from '#config/metrics.ts';
import type { ExecutionOwnership, LoadedExecution } from '#ports/execution-store.ts';
import type { EngineDeps, EngineLimits } from './deps.ts';
import type { Lease } from './lease.ts';
import type { Residents } from './residents.ts';
import type { Room } from './room.ts';

/** How executions become this process's (N3 to N6 of engine.ts). */
export interface Claiming {
  /** Claims it by its name, if it is free and there is room. */
  one(tenant: string, id: string): void;
  /** Claims what is due, for as long as there is room. */
  due(from: string): Promise<void>;
  /** Lets begin what waits and may; answers how many. They are due then, for any process. */
  letIn(): Promise<number>;
  /** Something waits to be let in: an execution that ends may have made room for it. */
  readonly startsWait: boolean;
  /** Takes over what is nobody's who lives, and what is ours and not here. */
  takeOver(from: string): Promise<void>;
  /** An answer may have been lost: what is ours and not here is looked for. */
  suspect(): void;
  /** Claims by name that are under way: a name is not given up before they have been answered. */
  underWay(): readonly Promise<void>[];
}

export function createClaiming(
  deps: Pick<Required<EngineDeps>, 'clock' | 'log' | 'metrics'> & {
    readonly store: Pick<
      ExecutionOwnership,
      'claim' | 'claimOne' | 'letIn' | 'takeOver' | 'takeOwnerless' | 'owned' | 'claimAgain'
    >;
  },
  limits: Pick<EngineLimits, 'claimBatch' | 'ownerlessMs'>,
  here: {
    readonly lease: Pick<Lease, 'owner'>;
    readonly room: Room;
    readonly residents: Residents;
    /** The lease holds, and the process is not ending. */
    isOurs(): boolean;
  },
): Claiming {
  const { store, clock, log, metrics } = deps;
  const { lease, room, residents, isOurs } = here;
  const claims = new Set<Promise<void>>();
  let startsWait = false;
  /** The tenant up to which the last pass of letting in went. */
  let letInAfter: string | null = null;
  let suspicious = false;
  let missing = new Set<string>();
  /** When to look again for what belongs to a name that no process has. */
  let ownerlessAt = 0;

  function one(tenant: string, id: string): void {
    const { owner } = lease;
    if (owner === null || !isOurs() || room.leftOf(tenant) <= 0 || residents.has(id)) return;
    residents.arrives(tenant);
    const claiming = store
      .claimOne(owner, tenant, id)
      .then((loaded) => {
        if (loaded !== null) residents.take(loaded);
      })
      .catch((error: unknown) => {
        suspicious = true;
        log.warn('EXECUTION_NOT_CLAIMED', { tenant, execution_id: id, error });
      })
      .finally(() => {
        residents.arrived(tenant);
        claims.delete(claiming);
      });
    claims.add(claiming);
  }

  /** Batches until there is no more, or no more room. */
  async function batches(
    claim: (limit: number) => Promise<readonly LoadedExecution[]>,
  ): Promise<void> {
    for (;;) {
      const limit = Math.min(limits.claimBatch, room.free);
      if (limit <= 0 || !isOurs()) return;
      const asked = claim(limit);
      residents.arrives(null, limit);
      try {
        const claimed = await asked;
        for (const loaded of claimed) residents.take(loaded);
        if (claimed.length < limit) return;
      } catch (error) {
        suspicious = true;
        throw error;
      } finally {
        residents.arrived(null, limit);
      }
    }
  }

  function told(by: string, taken: readonly LoadedExecution[]): readonly LoadedExecution[] {
    if (taken.length > 0) {
      metrics.add(METRICS.EngineTakeOvers, {}, taken.length);
      log.warn('EXECUTIONS_TAKEN_OVER', { owner: by, count: taken.length });
    }
    return taken;
  }

  /** Missing twice in a row: what was merely on its way has arrived by then. */
  async function lookForMissing(from: string): Promise<void> {
    const owned = await store.owned(from);
    const absent = owned.filter(({ executionId }) => !residents.has(executionId));
    const still = absent.filter(({ executionId }) => missing.has(executionId));
    missing = new Set(absent.map(({ executionId }) => executionId));
    suspicious = absent.length > 0;
    const taken = still.slice(0, Math.max(0, room.free));
    if (taken.length === 0) return;
    log.warn('EXECUTIONS_TAKEN_AGAIN', { count: taken.length });
    for (const loaded of await store.claimAgain(from, taken)) residents.take(loaded);
  }

  return {
    one,
    due: (from) =>
      batches((limit) =>
        store.claim(from, limit, clock.now(), { each: room.share, left: room.below(limit) }),
      ),
    async letIn() {
      const { count, waiting, after } = await store.letIn(letInAfter, clock.now());
      startsWait = waiting || letInAfter !== null;
      letInAfter = after;
      return count;
    },
    get startsWait() {
      return startsWait;
    },
    async takeOver(from) {
      await batches(async (limit) => {
        const full = room.below(1).map(([tenant]) => tenant);
        return told(from, await store.takeOver(from, limit, full));
      });
      if (clock.monotonic() >= ownerlessAt) {
        ownerlessAt = clock.monotonic() + limits.ownerlessMs;
        await batches(async (limit) => told(from, await store.takeOwnerless(from, limit)));
      }
      if (suspicious) await lookForMissing(from);
    },
    suspect() {
      suspicious = true;
    },
    underWay: () => [...claims],
  };
}
