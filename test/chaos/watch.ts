/** Looks at a run while it goes on: what is under way, whether the platform says that it lives, what it takes up. */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import type { Footprint } from './checker/evidence.ts';
import type { Probe } from './records.ts';
import type { World } from './world/world.ts';

const LOOK_MS = 300;
const PROBE_MS = 2_000;

export interface Watch {
  /** Executions that had not ended at the last look. */
  readonly active: number;
  readonly probes: readonly Probe[];
  stop(): Promise<void>;
}

export function startWatch(world: World): Watch {
  const probes: Probe[] = [];
  let active = 0;
  let stopping = false;

  async function look(): Promise<void> {
    while (!stopping) {
      try {
        active = await activeIn(world);
      } catch {
        // The database is away; what was under way is so still.
      }
      await pause(LOOK_MS);
    }
  }

  async function probe(): Promise<void> {
    while (!stopping) {
      const at = Date.now();
      const [live, ready] = await Promise.all(['healthz', 'readyz'].map((path) => statusOf(path)));
      const reached = live !== null && ready !== null;
      probes.push({ at, reached, live: live === 200, ready: ready === 200 });
      await pause(LOOK_MS);
    }
  }

  async function statusOf(path: string): Promise<number | null> {
    try {
      const { status, body } = await fetch(`${world.platform.baseUrl}/${path}`, {
        signal: AbortSignal.timeout(PROBE_MS * 5),
      });
      await body?.cancel();
      return status;
    } catch {
      return null;
    }
  }

  const looking = Promise.all([look(), probe()]);
  return {
    get active() {
      return active;
    },
    probes,
    async stop() {
      stopping = true;
      await looking;
    },
  };
}

async function activeIn({ admin }: World): Promise<number> {
  const { rows } = await admin.query<{ n: number }>(
    'select count(*)::integer as n from workflow_executions where outcome is null',
  );
  return rows[0]?.n ?? 0;
}

/** Executions that have ended. */
export async function endedIn({ admin }: World): Promise<number> {
  const { rows } = await admin.query<{ n: number }>(
    'select count(*)::integer as n from workflow_executions where outcome is not null',
  );
  return rows[0]?.n ?? 0;
}

export async function footprint(world: World): Promise<Footprint> {
  const pids = [world.platform.pid, ...world.platform.engines().map(({ pid }) => pid)];
  const { rows } = await world.admin.query<{ n: number }>(
    `select count(*)::integer as n from pg_stat_activity where application_name like 'cloudflow%'`,
  );
  return {
    handles: pids.reduce((sum, pid) => sum + readdirSync(`/proc/${pid}/fd`).length, 0),
    sessions: rows[0]?.n ?? 0,
    memoryMb: Math.round(pids.reduce((sum, pid) => sum + memoryOf(pid), 0)),
    keysWithoutEnd: world.redis === null ? null : await keysWithoutEnd(world.redis),
  };
}

function memoryOf(pid: number): number {
  const found = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(found?.[1] ?? 0) / 1024;
}

/** `db0:keys=5,expires=5,...`: the difference never goes away by itself. */
async function keysWithoutEnd(redis: NonNullable<World['redis']>): Promise<number> {
  const told = await redis.ask('INFO', 'keyspace');
  const found = /keys=(\d+),expires=(\d+)/.exec(told);
  return found === null ? 0 : Number(found[1]) - Number(found[2]);
}
