/**
 * The engine of one process: which executions are here, and for how long.
 *
 * Owns: the lease, claiming, take-over, capacity, and hearing of signals. `actor.ts` owns what happens
 * to each execution; the database owns the truth.
 *
 *  N1 an execution is here only under an epoch that was this process's when it was claimed; every
 *     write names it, so whoever claims later fences us;
 *  N2 nothing starts while the lease may have run out: then all that is here is forgotten, and this
 *     process begins anew under another name;
 *  N3 at most `maxActive` executions are here or promised; claims take no more than there is room for, and
 *     of no tenant more than its share of it (room.ts);
 *  N4 hints and adoption only save time: whatever is due is found by looking, within `pollMs`;
 *  N5 what is ours in the database is here too, or is found: after every answer that may have been lost
 *     we look for executions that we own and do not have;
 *  N6 what is nobody's who lives is somebody's within a minute: that of a process whose lease ran out at once,
 *     and that of a name which no process has by a look now and then;
 *  N7 every loop is one timer after the other, never two at once, and ends with `stop`.
 */
import { METRICS } from '#config/metrics.ts';
import { foldStored } from '#core/execution/fold.ts';
import type { Program } from '#core/plan/program.ts';
import type { Adopter, ExecutionHeader, LoadedExecution } from '#ports/execution-store.ts';
import type { LogFields } from '#ports/log.ts';
import { NO_METRICS } from '#ports/metrics.ts';
import type { RuntimeHints } from '#ports/runtime-hints.ts';
import { type Actor, type ActorHost, createActor, type Gone } from './actor.ts';
import { DEFAULT_LIMITS, type EngineDeps, type EngineLimits, LAY_ASIDE_MS } from './deps.ts';

import { createLoop } from './loop.ts';
import { createPerform } from './perform.ts';
import { createProgramCache } from './program-cache.ts';
import { createRoom } from './room.ts';
import { createSlots } from './slots.ts';

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

/** What a line about an execution says of it. */
function about({ tenant, id, correlationId }: ExecutionHeader): LogFields {
  return { tenant, execution_id: id, correlation_id: correlationId };
}

const MAX_WAKE_HINTS = 50_000;
const SIGNALS_PER_LOOK = 2_000;
/** Real milliseconds from an end to a look for what it made room for: bounds such looks to 40 a second. */
const LET_IN_AFTER_MS = 25;
/** Real milliseconds between looks at whether all is quiet. */
const SETTLE_LOOK_MS = 2;

export function createEngine(deps: EngineDeps, given: Partial<EngineLimits> = {}): Engine {
  const limits: EngineLimits = { ...DEFAULT_LIMITS, ...given };
  const { store, clock, ids, log } = deps;
  const metrics = deps.metrics ?? NO_METRICS;
  const slots = createSlots(limits.slots);
  const programs = createProgramCache(deps.programs, clock);
  const actors = new Map<string, Actor>();
  const wakeHints = new Map<string, { cancel(): void }>();
  let owner: string | null = null;
  let state: 'new' | 'running' | 'draining' | 'stopped' = 'new';
  /** Who is here, promised or arriving. */
  const room = createRoom(limits.maxActive);
  let reserved = 0;
  /** Claims by name that are under way: a name is not given up before they have been answered. */
  const claims = new Set<Promise<void>>();
  /** Claims and adoptions that are not actors yet. */
  let arriving = 0;
  /** Something waits to be let in: an execution that ends may have made room for it. */
  let startsWait = false;
  let lettingIn: { cancel(): void } | null = null;
  let leaseUntil = 0;
  /** The tenant up to which the last pass of letting in went. */
  let letInAfter: string | null = null;
  /** An answer may have been lost: look for what is ours and not here (N5). */
  let suspicious = false;
  let missing = new Set<string>();
  /** When to look again for what is nobody's (N6). */
  let ownerlessAt = 0;
  let watches: readonly { end(): void }[] = [];

  const isOurs = (): boolean =>
    state === 'running' && owner !== null && clock.monotonic() < leaseUntil;

  const host: ActorHost = {
    clock,
    ids,
    log,
    metrics,
    perform: createPerform(deps, slots),
    parkAfterMs: limits.parkAfterMs,
    parkBeyondMs: limits.parkBeyondMs,
    append: (request) => store.append(request),
    reload: (header, epoch, whole) =>
      owner === null
        ? Promise.resolve(null)
        : store.reload(owner, header.tenant, header.id, epoch, whole),
    release: (header, epoch, wakeAt, signalCount) =>
      store.release({ tenant: header.tenant, executionId: header.id, epoch, wakeAt, signalCount }),
    closeApproval: (header, step, now) => store.closeApproval(header.tenant, header.id, step, now),
    mayStart: isOurs,
    gone: left,
    signalled: (tenant, executionId) => signalled(tenant, executionId),
    wantsSignals: () => polling.soon(),
  };

  // ── arriving and leaving ─────────────────────────────────────────────────────────────────

  function take(loaded: LoadedExecution): void {
    const known = programs.known(loaded.header);
    if (known !== undefined) {
      settleIn(loaded, known);
      return;
    }
    arrives(loaded.header.tenant);
    programs
      .find(loaded.header)
      .then((program) => settleIn(loaded, program))
      .catch((error: unknown) => refuse(loaded, error))
      .finally(() => arrived(loaded.header.tenant));
  }

  /** `tenant` null: they are of whomever the answer says. */
  function arrives(tenant: string | null, count = 1): void {
    arriving += count;
    room.take(tenant, count);
  }

  function arrived(tenant: string | null, count = 1): void {
    arriving -= count;
    room.give(tenant, count);
  }

  function settleIn(loaded: LoadedExecution, program: Program): void {
    if (owner === null || state !== 'running') return;
    const { id } = loaded.header;
    const before = actors.get(id);
    if (before !== undefined) {
      // Claimed again under a higher epoch: what is here is the past.
      if (before.epoch >= loaded.epoch) return;
      before.drop();
    }
    wakeHints.get(id)?.cancel();
    wakeHints.delete(id);
    let folded: ReturnType<typeof foldStored>;
    try {
      folded = foldStored(program, loaded);
    } catch (error) {
      refuse(loaded, error);
      return;
    }
    if (folded === null) {
      takeWhole(loaded);
      return;
    }
    const actor = createActor(host, program, loaded, folded);
    actors.set(id, actor);
    room.take(loaded.header.tenant);
    actor.begin();
  }

  /** Its checkpoint has a form that this version does not read: the log has everything. */
  function takeWhole({ header, epoch }: LoadedExecution): void {
    host
      .reload(header, epoch, true)
      .then((whole) => {
        if (whole !== null && whole.checkpoint === null) take(whole);
      })
      .catch((error: unknown) => {
        suspicious = true; // ours, and nobody works on it
        log.error('EXECUTION_UNREADABLE', { ...about(header), error });
      });
  }

  /** It cannot run here now: whoever looks in a minute may do better. */
  function refuse({ header, epoch, signalCount }: LoadedExecution, cause: unknown): void {
    log.error('EXECUTION_NOT_TAKEN_UP', { ...about(header), error: cause });
    host.release(header, epoch, clock.now() + LAY_ASIDE_MS, signalCount).then(
      (answer) => {
        if (answer === 'released') tryLater(header.tenant, header.id);
        else suspicious = true; // ours still, and nobody works on it
      },
      (error: unknown) => {
        suspicious = true;
        log.warn('EXECUTION_NOT_GIVEN_BACK', { ...about(header), error });
      },
    );
  }

  function left(actor: Actor, why: Gone): void {
    const { id, tenant } = actor.header;
    if (actors.get(id) === actor) {
      actors.delete(id);
      room.give(tenant);
    }
    if (why.kind === 'ended' && startsWait) roomMade();
    // Fenced perhaps by a claim of ours whose answer was lost.
    if (why.kind === 'stranded' || why.kind === 'lost') suspicious = true;
    if (why.kind === 'aside') tryLater(tenant, id);
    if (why.kind !== 'parked') return;
    if (why.again) claimOne(tenant, id);
    else if (why.wakeAt !== null) {
      remember(
        id,
        clock.schedule(why.wakeAt, () => wake(tenant, id)),
      );
    }
  }

  /** Soon, and not after each of many: what waits may be paused, for days. */
  function roomMade(): void {
    if (lettingIn !== null) return;
    lettingIn = clock.after(LET_IN_AFTER_MS, () => {
      lettingIn = null;
      polling.soon();
    });
  }

  /** Others find it by its time, which is business time and may stand still: here it is tried again. */
  function tryLater(tenant: string, id: string): void {
    remember(
      id,
      clock.after(LAY_ASIDE_MS, () => wake(tenant, id)),
    );
  }

  /** To be on time for what was parked here; found by looking otherwise (N4). */
  function remember(id: string, hint: { cancel(): void }): void {
    wakeHints.get(id)?.cancel();
    wakeHints.delete(id);
    if (wakeHints.size >= MAX_WAKE_HINTS || state !== 'running') hint.cancel();
    else wakeHints.set(id, hint);
  }

  function wake(tenant: string, id: string): void {
    wakeHints.delete(id);
    claimOne(tenant, id);
  }

  function claimOne(tenant: string, id: string): void {
    if (owner === null || !isOurs() || room.leftOf(tenant) <= 0 || actors.has(id)) return;
    arrives(tenant);
    const claiming = store
      .claimOne(owner, tenant, id)
      .then((loaded) => {
        if (loaded !== null) take(loaded);
      })
      .catch((error: unknown) => {
        suspicious = true;
        log.warn('EXECUTION_NOT_CLAIMED', { tenant, execution_id: id, error });
      })
      .finally(() => {
        arrived(tenant);
        claims.delete(claiming);
      });
    claims.add(claiming);
  }

  function signalled(tenant: string, executionId: string): void {
    if (state !== 'running') return;
    if (actors.has(executionId)) polling.soon();
    else claimOne(tenant, executionId);
  }

  // ── loops ────────────────────────────────────────────────────────────────────────────────

  const polling = createLoop(clock, limits.pollMs, host, 'poll', async () => {
    if (owner === null || !isOurs()) return;
    const from = owner;
    if (actors.size > 0) {
      for (const signal of await store.pendingSignals(from, SIGNALS_PER_LOOK)) {
        actors.get(signal.executionId)?.signal(signal);
      }
    }
    await letIn();
    await claimDue(from);
  });

  async function claimDue(from: string): Promise<void> {
    await claimWith((limit) =>
      store.claim(from, limit, clock.now(), { each: room.share, left: room.below(limit) }),
    );
  }

  /** Answers how many were let in; they are due now, for any process. */
  async function letIn(): Promise<number> {
    const { count, waiting, after } = await store.letIn(letInAfter, clock.now());
    startsWait = waiting || letInAfter !== null;
    letInAfter = after;
    return count;
  }

  const takingOver = createLoop(clock, limits.leaseMs / 2, host, 'take over', async () => {
    if (owner === null || !isOurs()) return;
    const from = owner;
    await claimWith(async (limit) => {
      const full = room.below(1).map(([tenant]) => tenant);
      return told(from, await store.takeOver(from, limit, full));
    });
    if (clock.monotonic() >= ownerlessAt) {
      ownerlessAt = clock.monotonic() + limits.ownerlessMs;
      await claimWith(async (limit) => told(from, await store.takeOwnerless(from, limit)));
    }
    if (suspicious) await lookForMissing(from);
  });

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
    const absent = owned.filter(({ executionId }) => !actors.has(executionId));
    const still = absent.filter(({ executionId }) => missing.has(executionId));
    missing = new Set(absent.map(({ executionId }) => executionId));
    suspicious = absent.length > 0;
    const taken = still.slice(0, Math.max(0, room.free));
    if (taken.length === 0) return;
    log.warn('EXECUTIONS_TAKEN_AGAIN', { count: taken.length });
    for (const loaded of await store.claimAgain(from, taken)) take(loaded);
  }

  /** Batches until there is no more, or no more room. */
  async function claimWith(
    claim: (limit: number) => Promise<readonly LoadedExecution[]>,
  ): Promise<void> {
    for (;;) {
      const limit = Math.min(limits.claimBatch, room.free);
      if (limit <= 0 || !isOurs()) return;
      const asked = claim(limit);
      arrives(null, limit);
      try {
        const claimed = await asked;
        for (const loaded of claimed) take(loaded);
        if (claimed.length < limit) return;
      } catch (error) {
        suspicious = true;
        throw error;
      } finally {
        arrived(null, limit);
      }
    }
  }

  const beating = createLoop(clock, limits.heartbeatMs, host, 'heartbeat', async () => {
    if (owner === null) {
      if (state === 'running') await open(); // what begins anew may find the database away
      return;
    }
    const asked = clock.monotonic();
    if (asked >= leaseUntil) {
      await beginAnew('the lease ran out before it was renewed');
    } else if (await store.heartbeat(owner, limits.leaseMs)) {
      leaseUntil = asked + limits.leaseMs;
    } else {
      await beginAnew('the lease was lost');
    }
  });

  async function open(): Promise<void> {
    const name = ids.random();
    const asked = clock.monotonic();
    if (!(await store.heartbeat(name, limits.leaseMs)))
      throw new Error(`lease ${name} was refused`);
    owner = name;
    leaseUntil = asked + limits.leaseMs;
  }

  /** N2. */
  async function beginAnew(why: string): Promise<void> {
    metrics.add(METRICS.EngineLeasesLost, {});
    log.warn('ENGINE_BEGAN_ANEW', { owner, active: actors.size, reason: why });
    owner = null;
    for (const actor of [...actors.values()]) actor.drop();
    if (state === 'running') await open();
  }

  // ── the outside ──────────────────────────────────────────────────────────────────────────

  const adopter: Adopter = {
    reserve({ tenant }) {
      if (!isOurs() || room.leftOf(tenant) <= 0) return null;
      reserved += 1;
      room.take(tenant);
      return owner;
    },
    adopt(loaded) {
      reserved -= 1;
      room.give(loaded.header.tenant);
      take(loaded);
    },
    release({ tenant }, unknown = false) {
      reserved -= 1;
      room.give(tenant);
      if (unknown) suspicious = true;
    },
    signalled,
  };

  return {
    adopter,
    hints: {
      accepted: ({ tenant, executionId, runtime }) => {
        if (runtime === 'engine') claimOne(tenant, executionId);
      },
      signalled: ({ tenant, executionId, runtime }) => {
        if (runtime === 'engine') signalled(tenant, executionId);
      },
    },
    wake: () => polling.soon(),
    async start() {
      if (state !== 'new') throw new TypeError('an engine starts once');
      await open();
      state = 'running';
      watches = [
        metrics.watch(METRICS.EngineExecutions, {}, () => actors.size),
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
      for (const hint of wakeHints.values()) hint.cancel();
      wakeHints.clear();
      lettingIn?.cancel();
      let late: { cancel(): void } | null = null;
      const deadline = new Promise<void>((resolve) => {
        late = clock.after(limits.drainMs, resolve);
      });
      await Promise.race([
        Promise.all([...claims, ...[...actors.values()].map((actor) => actor.handOver())]),
        deadline,
      ]);
      (late as { cancel(): void } | null)?.cancel();
      for (const actor of [...actors.values()]) actor.drop();
      await beating.stop();
      state = 'stopped';
      if (owner !== null) await store.resign(owner);
      owner = null;
    },
    async settled() {
      const busy = (): boolean => {
        if (arriving > 0 || reserved > 0) return true;
        for (const actor of actors.values()) if (!actor.idle) return true;
        return false;
      };
      while (state === 'running') {
        if (busy()) {
          await new Promise<void>((resolve) => {
            clock.after(SETTLE_LOOK_MS, resolve);
          });
        } else {
          // What ended may have made room for what waits; that is not for the next look to find.
          if ((await letIn()) === 0) return;
          const from = owner;
          if (from === null) return;
          await claimDue(from);
        }
      }
    },
    get stats() {
      return {
        owner,
        takesWork: isOurs(),
        active: actors.size,
        callsRunning: slots.running,
        callsWaiting: slots.waiting,
      };
    },
  };
}
