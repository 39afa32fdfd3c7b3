/**
 * The engine of one process: which executions are here, and for how long.
 *
 * Owns: when each of its parts works, hearing of signals, beginning and ending. `lease.ts` owns the name,
 * `claiming.ts` how executions come, `residents.ts` who is here, `room.ts` how many may be, and `actor.ts`
 * what happens to each of them; the database owns the truth.
 *
 *  N1 (residents) an execution is here only under an epoch that was this process's when it was claimed; every
 *     write names it, so whoever claims later fences us;
 *  N2 (lease) nothing starts while the lease may have run out: then all that is here is forgotten, and this
 *     process begins anew under another name;
 *  N3 (room) at most `maxActive` executions are here or promised; claims take no more than there is room for, and
 *     of no tenant more than its share of it (room.ts);
 *  N4 hints and adoption only save time: whatever is due is found by looking, within `pollMs`;
 *  N5 (claiming) what is ours in the database is here too, or is found: after every answer that may have been lost
 *     we look for executions that we own and do not have;
 *  N6 (claiming) what is nobody's who lives is somebody's within a minute: that of a process whose lease ran out at once,
 *     and that of a name which no process has by a look now and then;
 *  N7 every loop is one timer after the other, never two at once, and ends with `stop`.
 */
import { METRICS } from '#config/metrics.ts';
import type { Adopter } from '#ports/execution-store.ts';
import type { LogFields } from '#ports/log.ts';
import { NO_METRICS } from '#ports/metrics.ts';
import type { RuntimeHints } from '#ports/runtime-hints.ts';
import { createClaiming } from './claiming.ts';
import { DEFAULT_LIMITS, type EngineDeps, type EngineLimits, LAY_ASIDE_MS } from './deps.ts';
import { createLease } from './lease.ts';
import { createLoop } from './loop.ts';
import { createPerform } from './perform.ts';
import { createProgramCache } from './program-cache.ts';
import { createResidents, type ResidentsHost } from './residents.ts';
import { createRoom } from './room.ts';
import { createSlots } from './slots.ts';
import { createWakeHints } from './wake-hints.ts';

export interface Engine {
  /** Opens the lease and begins to claim. */
  start(): Promise<void>;
  /** Takes nothing new, waits for calls under way up to the limit, gives the rest up. */
  stop(): Promise<void>;
  /** Takes executions accepted in this process. */
  readonly adopter: Adopter;
  readonly hints: RuntimeHints;
  /** Looks now for what is due, for whoever it is. */
  wake(): void;
  /** Resolves when nothing here can go on without time or the outside. */
  settled(): Promise<void>;
  readonly stats: EngineStats;
}

/** The numbers of `stats`, as they are logged. */
export function engineCounts({ active, callsRunning, callsWaiting }: EngineStats): LogFields {
  return { active, calls_running: callsRunning, calls_waiting: callsWaiting };
}

export interface EngineStats {
  readonly owner: string | null;
  /** It holds a lease and is not ending. */
  readonly takesWork: boolean;
  readonly active: number;
  readonly callsRunning: number;
  readonly callsWaiting: number;
}

const SIGNALS_PER_LOOK = 2_000;
/** Real milliseconds from an end to a look for what it made room for: bounds such looks to 40 a second. */
const LET_IN_AFTER_MS = 25;
/** Real milliseconds between looks at whether all is quiet. */
const SETTLE_LOOK_MS = 2;

export function createEngine(given: EngineDeps, chosen: Partial<EngineLimits> = {}): Engine {
  const limits: EngineLimits = { ...DEFAULT_LIMITS, ...chosen };
  const deps = { ...given, metrics: given.metrics ?? NO_METRICS };
  const { store, clock, log, metrics } = deps;
  const slots = createSlots(limits.slots);
  let state: 'new' | 'running' | 'draining' | 'stopped' = 'new';
  let watches: readonly { end(): void }[] = [];
  /** Promised to who accepts executions in this process. */
  let reserved = 0;
  let lettingIn: { cancel(): void } | null = null;

  const isOurs = (): boolean => state === 'running' && lease.holds;
  const room = createRoom(limits.maxActive);
  const wakeHints = createWakeHints(() => state === 'running');
  const lease = createLease(deps, limits.leaseMs, {
    isRunning: () => state === 'running',
    active: () => residents.size,
    forgetAll: () => residents.dropAll(),
  });

  const host: ResidentsHost = {
    clock,
    ids: deps.ids,
    log,
    metrics,
    perform: createPerform(deps, slots),
    parkAfterMs: limits.parkAfterMs,
    parkBeyondMs: limits.parkBeyondMs,
    append: (request) => store.append(request),
    reload: (header, epoch, whole) =>
      lease.owner === null
        ? Promise.resolve(null)
        : store.reload(lease.owner, header.tenant, header.id, epoch, whole),
    release: (header, epoch, wakeAt, signalCount) =>
      store.release({ tenant: header.tenant, executionId: header.id, epoch, wakeAt, signalCount }),
    closeApproval: (header, step, now) => store.closeApproval(header.tenant, header.id, step, now),
    mayStart: isOurs,
    signalled,
    wantsSignals: () => polling.soon(),
    mayTake: () => lease.owner !== null && state === 'running',
    tookIn: (id) => wakeHints.forget(id),
    suspect: () => claiming.suspect(),
    ended() {
      if (claiming.startsWait) roomMade();
    },
    /** Others find it by its time, which is business time and may stand still: here it is tried again. */
    tryLater(tenant, id) {
      wakeHints.remember(
        id,
        clock.after(LAY_ASIDE_MS, () => wake(tenant, id)),
      );
    },
    parked(tenant, id, until, again) {
      if (again) claiming.one(tenant, id);
      else if (until !== null) {
        wakeHints.remember(
          id,
          clock.schedule(until, () => wake(tenant, id)),
        );
      }
    },
  };
  const residents = createResidents(host, createProgramCache(deps.programs, clock), room);
  const claiming = createClaiming(deps, limits, { lease, room, residents, isOurs });

  function wake(tenant: string, id: string): void {
    wakeHints.rang(id);
    claiming.one(tenant, id);
  }

  /** Soon, and not after each of many: what waits may be paused, for days. */
  function roomMade(): void {
    if (lettingIn !== null) return;
    lettingIn = clock.after(LET_IN_AFTER_MS, () => {
      lettingIn = null;
      polling.soon();
    });
  }

  function signalled(tenant: string, executionId: string): void {
    if (state !== 'running') return;
    if (residents.has(executionId)) polling.soon();
    else claiming.one(tenant, executionId);
  }

  // ── loops ────────────────────────────────────────────────────────────────────────────────

  const polling = createLoop(clock, limits.pollMs, deps, 'poll', async () => {
    const { owner } = lease;
    if (owner === null || !isOurs()) return;
    if (residents.size > 0) {
      for (const signal of await store.pendingSignals(owner, SIGNALS_PER_LOOK)) {
        residents.get(signal.executionId)?.signal(signal);
      }
    }
    await claiming.letIn();
    await claiming.due(owner);
  });

  const takingOver = createLoop(clock, limits.leaseMs / 2, deps, 'take over', async () => {
    const { owner } = lease;
    if (owner !== null && isOurs()) await claiming.takeOver(owner);
  });

  const beating = createLoop(clock, limits.heartbeatMs, deps, 'heartbeat', () => lease.renew());

  // ── the outside ──────────────────────────────────────────────────────────────────────────

  const adopter: Adopter = {
    reserve({ tenant }) {
      if (!isOurs() || room.leftOf(tenant) <= 0) return null;
      reserved += 1;
      room.take(tenant);
      return lease.owner;
    },
    adopt(loaded) {
      reserved -= 1;
      room.give(loaded.header.tenant);
      residents.take(loaded);
    },
    release({ tenant }, unknown = false) {
      reserved -= 1;
      room.give(tenant);
      if (unknown) claiming.suspect();
    },
    signalled,
  };

  /** Gives up what is here, for as long as calls under way may take. */
  async function drain(): Promise<void> {
    let late: { cancel(): void } | null = null;
    const deadline = new Promise<void>((resolve) => {
      late = clock.after(limits.drainMs, resolve);
    });
    await Promise.race([Promise.all([...claiming.underWay(), ...residents.handOver()]), deadline]);
    (late as { cancel(): void } | null)?.cancel();
    residents.dropAll();
  }

  return {
    adopter,
    hints: {
      accepted: ({ tenant, executionId, runtime }) => {
        if (runtime === 'engine') claiming.one(tenant, executionId);
      },
      signalled: ({ tenant, executionId, runtime }) => {
        if (runtime === 'engine') signalled(tenant, executionId);
      },
    },
    wake: () => polling.soon(),
    async start() {
      if (state !== 'new') throw new TypeError('an engine starts once');
      await lease.open();
      state = 'running';
      watches = [
        metrics.watch(METRICS.EngineExecutions, {}, () => residents.size),
        metrics.watch(METRICS.EngineCallsRunning, {}, () => slots.running),
        metrics.watch(METRICS.EngineCallsWaiting, {}, () => slots.waiting),
      ];
      beating.start();
      polling.start();
      takingOver.start();
    },
    async stop() {
      if (state !== 'running') return;
      state = 'draining';
      for (const watch of watches) watch.end();
      await Promise.all([polling.stop(), takingOver.stop()]);
      wakeHints.clear();
      lettingIn?.cancel();
      await drain();
      await beating.stop();
      state = 'stopped';
      await lease.resign();
    },
    async settled() {
      while (state === 'running') {
        if (reserved > 0 || !residents.idle) {
          await new Promise<void>((resolve) => {
            clock.after(SETTLE_LOOK_MS, resolve);
          });
        } else {
          // What ended may have made room for what waits; that is not for the next look to find.
          if ((await claiming.letIn()) === 0) return;
          const { owner } = lease;
          if (owner === null) return;
          await claiming.due(owner);
        }
      }
    },
    get stats() {
      return {
        owner: lease.owner,
        takesWork: isOurs(),
        active: residents.size,
        callsRunning: slots.running,
        callsWaiting: slots.waiting,
      };
    },
  };
}
