import { foldStored } from '#core/execution/fold.ts';
import type { Program } from '#core/plan/program.ts';
import type { ExecutionHeader, LoadedExecution } from '#ports/execution-store.ts';
import type { LogFields } from '#ports/log.ts';
import { type Actor, type ActorHost, createActor, type Gone } from './actor.ts';
import { LAY_ASIDE_MS } from './deps.ts';
import type { ProgramCache } from './program-cache.ts';
import type { Room } from './room.ts';

/** The executions that are here, and those on their way (N1 and N3 of engine.ts). */
export interface Residents {
  readonly size: number;
  /** What was claimed or adopted and is no actor yet. */
  readonly arriving: number;
  /** Nothing arrives, and nobody is busy. */
  readonly idle: boolean;
  get(id: string): Actor | undefined;
  has(id: string): boolean;
  /** It is ours under the epoch that it was loaded with. */
  take(loaded: LoadedExecution): void;
  /** Places are promised; `tenant` null: to whomever the answer says. */
  arrives(tenant: string | null, count?: number): void;
  arrived(tenant: string | null, count?: number): void;
  /** Gives all up once nothing of it is under way. */
  handOver(): readonly Promise<void>[];
  /** Forgets all at once. */
  dropAll(): void;
}

export interface ResidentsHost extends Omit<ActorHost, 'gone'> {
  /** What is ours may be taken in: there is a name, and the process is not ending. */
  mayTake(): boolean;
  /** It is taken in, and whoever was to wake it need not. */
  tookIn(id: string): void;
  /** An execution has ended, and has left. */
  ended(): void;
  /** It may be ours and not here (N5). */
  suspect(): void;
  /** It cannot run here now: to be looked at again after a while. */
  tryLater(tenant: string, id: string): void;
  /** It was given back: until then, or `again` to be claimed at once. */
  parked(tenant: string, id: string, until: number | null, again: boolean): void;
}

/** What a line about an execution says of it. */
function about({ tenant, id, correlationId }: ExecutionHeader): LogFields {
  return { tenant, execution_id: id, correlation_id: correlationId };
}

export function createResidents(
  host: ResidentsHost,
  programs: ProgramCache,
  room: Room,
): Residents {
  const { log, clock } = host;
  const actors = new Map<string, Actor>();
  const actorHost: ActorHost = { ...host, gone: left };
  let arriving = 0;

  function arrives(tenant: string | null, count = 1): void {
    arriving += count;
    room.take(tenant, count);
  }

  function arrived(tenant: string | null, count = 1): void {
    arriving -= count;
    room.give(tenant, count);
  }

  function take(loaded: LoadedExecution): void {
    if (loaded.unreadable !== undefined) {
      refuse(loaded, loaded.unreadable);
      return;
    }
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

  function settleIn(loaded: LoadedExecution, program: Program): void {
    if (!host.mayTake()) return;
    const { id } = loaded.header;
    const before = actors.get(id);
    if (before !== undefined) {
      // Claimed again under a higher epoch: what is here is the past.
      if (before.epoch >= loaded.epoch) return;
      before.drop();
    }
    host.tookIn(id);
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
    const actor = createActor(actorHost, program, loaded, folded);
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
        host.suspect(); // ours, and nobody works on it
        log.error('EXECUTION_UNREADABLE', { ...about(header), error });
      });
  }

  /** It cannot run here now: whoever looks in a minute may do better. */
  function refuse({ header, epoch, signalCount }: LoadedExecution, cause: unknown): void {
    log.error('EXECUTION_NOT_TAKEN_UP', { ...about(header), error: cause });
    host.release(header, epoch, clock.now() + LAY_ASIDE_MS, signalCount).then(
      (answer) => {
        if (answer === 'released') host.tryLater(header.tenant, header.id);
        else host.suspect(); // ours still, and nobody works on it
      },
      (error: unknown) => {
        host.suspect();
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
    switch (why.kind) {
      case 'ended':
        host.ended();
        break;
      // Fenced perhaps by a claim of ours whose answer was lost.
      case 'lost':
      case 'stranded':
        host.suspect();
        break;
      case 'aside':
        host.tryLater(tenant, id);
        break;
      case 'parked':
        host.parked(tenant, id, why.wakeAt, why.again);
        break;
    }
  }

  return {
    get size() {
      return actors.size;
    },
    get arriving() {
      return arriving;
    },
    get idle() {
      if (arriving > 0) return false;
      for (const actor of actors.values()) if (!actor.idle) return false;
      return true;
    },
    get: (id) => actors.get(id),
    has: (id) => actors.has(id),
    take,
    arrives,
    arrived,
    handOver: () => [...actors.values()].map((actor) => actor.handOver()),
    dropAll() {
      for (const actor of [...actors.values()]) actor.drop();
    },
  };
}
