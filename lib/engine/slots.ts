/**
 * Bounded concurrency by step type and by tenant.
 *
 *  S1 never more than `perKind` of a kind, nor `perTenant` of one tenant's in that kind, at a time;
 *  S2 tenants that wait take turns: one tenant's thousand calls do not go before another's first;
 *  S3 whoever waits can leave, and a slot is given back exactly once.
 */
export interface Slots {
  /** Runs `work` once there is a slot; `signal` gives the place in the queue up. */
  run<T>(
    kind: string,
    tenant: string,
    signal: AbortSignal,
    work: () => Promise<T>,
  ): Promise<T | null>;
  readonly waiting: number;
  readonly running: number;
}

export interface SlotLimits {
  readonly perKind: number;
  readonly perTenant: number;
}

interface Kind {
  running: number;
  readonly byTenant: Map<string, number>;
  /** In the order of turns: a tenant that got a slot goes to the back. */
  readonly queues: Map<string, (() => void)[]>;
}

export function createSlots(limitsOf: (kind: string) => SlotLimits): Slots {
  const kinds = new Map<string, Kind>();
  let waiting = 0;
  let running = 0;

  function kindOf(name: string): Kind {
    let kind = kinds.get(name);
    if (kind === undefined) {
      kind = { running: 0, byTenant: new Map(), queues: new Map() };
      kinds.set(name, kind);
    }
    return kind;
  }

  function tryTake(kind: Kind, tenant: string, limits: SlotLimits): boolean {
    const used = kind.byTenant.get(tenant) ?? 0;
    if (kind.running >= limits.perKind || used >= limits.perTenant) return false;
    kind.running += 1;
    running += 1;
    kind.byTenant.set(tenant, used + 1);
    return true;
  }

  function giveBack(kind: Kind, tenant: string, limits: SlotLimits): void {
    kind.running -= 1;
    running -= 1;
    const used = (kind.byTenant.get(tenant) ?? 1) - 1;
    if (used === 0) kind.byTenant.delete(tenant);
    else kind.byTenant.set(tenant, used);
    for (const [next, queue] of kind.queues) {
      if (!tryTake(kind, next, limits)) continue;
      const enter = queue.shift();
      kind.queues.delete(next);
      if (queue.length > 0) kind.queues.set(next, queue);
      waiting -= 1;
      enter?.();
      return;
    }
  }

  function wait(kind: Kind, tenant: string, signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const enter = (): void => {
        signal.removeEventListener('abort', leave);
        resolve(true);
      };
      const leave = (): void => {
        const queue = kind.queues.get(tenant);
        const at = queue?.indexOf(enter) ?? -1;
        if (queue === undefined || at < 0) return;
        queue.splice(at, 1);
        if (queue.length === 0) kind.queues.delete(tenant);
        waiting -= 1;
        resolve(false);
      };
      const queue = kind.queues.get(tenant);
      if (queue === undefined) kind.queues.set(tenant, [enter]);
      else queue.push(enter);
      waiting += 1;
      signal.addEventListener('abort', leave, { once: true });
    });
  }

  return {
    async run(name, tenant, signal, work) {
      if (signal.aborted) return null;
      const kind = kindOf(name);
      const limits = limitsOf(name);
      if (!tryTake(kind, tenant, limits) && !(await wait(kind, tenant, signal))) return null;
      try {
        return await work();
      } finally {
        giveBack(kind, tenant, limits);
      }
    },
    get waiting() {
      return waiting;
    },
    get running() {
      return running;
    },
  };
}
