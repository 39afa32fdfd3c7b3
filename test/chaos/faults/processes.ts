/** Engines and the platform: killed, stopped and woken, ended in order. */
import { setTimeout as pause } from 'node:timers/promises';
import { isAlive, signal, stateOf, until } from '../world/children.ts';
import type { Process } from '../world/platform.ts';
import type { World } from '../world/world.ts';
import { type Fault, type FaultContext, hit, missed } from './fault.ts';

const STARTS_MS = 120_000;
/** How often one is stopped to find it inside of a transaction. */
const TRIES = 400;

async function ownerOf({ url }: Process): Promise<string | null> {
  try {
    const response = await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(2_000) });
    return ((await response.json()) as { owner: string | null }).owner;
  } catch {
    return null;
  }
}

/** Engines that can be hit; after another fault they may be on their way still. */
async function engines(world: World, least: number): Promise<readonly Process[]> {
  await until(STARTS_MS, () => world.platform.engines().length >= least);
  return world.platform.engines();
}

async function owned({ admin }: World, owners: readonly string[]): Promise<number> {
  const { rows } = await admin.query<{ n: number }>(
    `select count(*)::integer as n from workflow_executions
     where outcome is null and owner = any ($1)`,
    [owners],
  );
  return rows[0]?.n ?? 0;
}

/** Notes how long it takes until nothing is theirs any more. */
async function noteTakeOver(
  { world, notes, times }: FaultContext,
  fault: string,
  owners: readonly string[],
): Promise<string> {
  const begun = performance.now();
  const had = await owned(world, owners).catch(() => 0);
  const done = await until(
    times.takeOverBoundMs,
    async () => (await owned(world, owners)) === 0,
    250,
  );
  const ms = done ? Math.round(performance.now() - begun) : null;
  notes.takeOvers.push({ fault, ms, had });
  return ms === null ? `${had} of theirs are theirs still` : `${had} taken over within ${ms} ms`;
}

async function killAll(
  context: FaultContext,
  fault: string,
  victims: readonly Process[],
): Promise<ReturnType<typeof hit>> {
  const owners = (await Promise.all(victims.map(ownerOf))).filter((owner) => owner !== null);
  for (const { pid } of victims) signal(pid, 'SIGKILL');
  const dead = await until(10_000, () => victims.every(({ pid }) => !isAlive(pid)), 20);
  if (!dead || victims.length === 0) return missed(`${victims.length} were to die`);
  const told = await noteTakeOver(context, fault, owners);
  const again = await until(STARTS_MS, () =>
    context.world.platform.engines().some(({ pid }) => !victims.some((old) => old.pid === pid)),
  );
  return again
    ? hit(`${victims.map(({ pid }) => pid).join(', ')} died; ${told}`)
    : missed('no engine came in their place');
}

const engineKill: Fault = {
  async run(context) {
    const all = await engines(context.world, 2);
    return killAll(context, 'kill of an engine', [context.dice.pick(all)].filter(Boolean));
  },
};

const enginesKill: Fault = {
  async run(context) {
    return killAll(context, 'kill of all engines', await engines(context.world, 2));
  },
};

async function stopped(context: FaultContext, victim: Process, owner: string | null, why: string) {
  const { times } = context;
  const begun = performance.now();
  const told = owner === null ? '' : await noteTakeOver(context, why, [owner]);
  await pause(Math.max(0, times.pauseMs - (performance.now() - begun)));
  const was = stateOf(victim.pid);
  signal(victim.pid, 'SIGCONT');
  if (was !== 'T') return missed(`${victim.pid} was ${was} when it was to be woken`);
  return hit(`${victim.pid} stood still for ${Math.round(performance.now() - begun)} ms; ${told}`);
}

const enginePause: Fault = {
  async run(context) {
    const victim = context.dice.pick(await engines(context.world, 2));
    if (victim === undefined) return missed('there is no engine');
    const owner = await ownerOf(victim);
    signal(victim.pid, 'SIGSTOP');
    return stopped(context, victim, owner, 'pause of an engine');
  },
};

/** Sessions that are inside of a transaction and wait for whoever opened it. */
async function idleTransactions({ admin }: World): Promise<string[]> {
  const { rows } = await admin.query<{ id: string }>(
    `select pid || ' ' || xact_start as id from pg_stat_activity
     where state = 'idle in transaction' and datname in ('cloudflow', 'effects')`,
  );
  return rows.map(({ id }) => id);
}

const enginePauseInTransaction: Fault = {
  async run(context) {
    const { world, dice } = context;
    const victim = dice.pick(await engines(world, 2));
    if (victim === undefined) return missed('there is no engine');
    const owner = await ownerOf(victim);
    for (let tries = 0; tries < TRIES; tries++) {
      const before = await idleTransactions(world);
      if (before.length > 0) {
        signal(victim.pid, 'SIGSTOP');
        // What is still there after others have had time to go on is of the one that stands still.
        await pause(60);
        const first = await idleTransactions(world);
        await pause(60);
        const still = (await idleTransactions(world)).filter((id) => first.includes(id));
        if (still.length > 0) {
          const result = await stopped(context, victim, owner, 'pause inside of a transaction');
          const left = (await idleTransactions(world)).filter((id) => still.includes(id));
          return result.hit
            ? hit(`${result.evidence}; ${still.length} sessions were inside, ${left.length} are`)
            : result;
        }
        signal(victim.pid, 'SIGCONT');
      }
      await pause(dice.below(40));
    }
    return missed(`was never inside of a transaction in ${TRIES} looks`);
  },
};

const rollingRestart: Fault = {
  async run({ world }) {
    const old = await engines(world, 2);
    const ended: string[] = [];
    for (const { pid } of old) {
      signal(pid, 'SIGTERM');
      if (!(await until(40_000, () => !isAlive(pid)))) return missed(`${pid} does not end`);
      ended.push(String(pid));
      const another = () =>
        world.platform.engines().filter(({ pid: own }) => !old.some((each) => each.pid === own));
      if (!(await until(STARTS_MS, () => another().length >= ended.length))) {
        return missed(`nothing came in place of ${pid}`);
      }
    }
    return hit(`${ended.join(', ')} ended in order, one after the other`);
  },
};

const platformRestart = (how: 'kill' | 'stop'): Fault => ({
  async run({ world, notes }) {
    const { platform } = world;
    const { pid } = platform;
    const from = Date.now();
    const act = how === 'kill' ? platform.kill : platform.stop;
    const ended = await act().catch((error: unknown) => error as Error);
    if (isAlive(pid)) return missed(`${pid} is alive`);
    await platform.start();
    notes.absences.push({ from, to: Date.now() });
    if (ended instanceof Error) return missed(ended.message);
    return hit(
      `${pid} ended (${how === 'kill' ? 'SIGKILL' : `SIGTERM, exit ${ended}`}), ${platform.pid} came`,
    );
  },
});

export const PROCESS_FAULTS = {
  'engine-kill': engineKill,
  'engines-kill': enginesKill,
  'engine-pause': enginePause,
  'engine-pause-in-transaction': enginePauseInTransaction,
  'rolling-restart': rollingRestart,
  'platform-kill': platformRestart('kill'),
  'platform-restart': platformRestart('stop'),
} as const satisfies { readonly [name: string]: Fault };
