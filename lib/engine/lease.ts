import { METRICS } from '#config/metrics.ts';
import type { ExecutionOwnership } from '#ports/execution-store.ts';
import type { EngineDeps } from './deps.ts';

/** The name under which this process owns executions, and for how long it surely does (N2 of engine.ts). */
export interface Lease {
  /** Null: it has no name. */
  readonly owner: string | null;
  /** It has one, and cannot have lost it yet: by the clock that nobody sets. */
  readonly holds: boolean;
  /** Takes a name. Throws where the database is away. */
  open(): Promise<void>;
  /** Renews it; where it may have run out, all that is here is forgotten before another name is taken. */
  renew(): Promise<void>;
  /** Gives it up: what it has is free for others. */
  resign(): Promise<void>;
}

export function createLease(
  deps: Pick<Required<EngineDeps>, 'clock' | 'ids' | 'log' | 'metrics'> & {
    readonly store: Pick<ExecutionOwnership, 'heartbeat' | 'resign'>;
  },
  leaseMs: number,
  host: {
    /** A name is wanted. */
    isRunning(): boolean;
    /** How many executions are here. */
    active(): number;
    forgetAll(): void;
  },
): Lease {
  const { store, clock, ids, log, metrics } = deps;
  let owner: string | null = null;
  let until = 0;

  async function open(): Promise<void> {
    const name = ids.random();
    const asked = clock.monotonic();
    if (!(await store.heartbeat(name, leaseMs))) throw new Error(`lease ${name} was refused`);
    owner = name;
    until = asked + leaseMs;
  }

  async function beginAnew(why: string): Promise<void> {
    metrics.add(METRICS.EngineLeasesLost, {});
    log.warn('ENGINE_BEGAN_ANEW', { owner, active: host.active(), reason: why });
    owner = null;
    host.forgetAll();
    if (host.isRunning()) await open();
  }

  return {
    get owner() {
      return owner;
    },
    get holds() {
      return owner !== null && clock.monotonic() < until;
    },
    open,
    async renew() {
      if (owner === null) {
        if (host.isRunning()) await open(); // what begins anew may find the database away
        return;
      }
      const asked = clock.monotonic();
      if (asked >= until) {
        await beginAnew('the lease ran out before it was renewed');
      } else if (await store.heartbeat(owner, leaseMs)) {
        until = asked + leaseMs;
      } else {
        await beginAnew('the lease was lost');
      }
    },
    async resign() {
      if (owner !== null) await store.resign(owner);
      owner = null;
    },
  };
}
