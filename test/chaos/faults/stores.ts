/** Database, cache, disk and clock. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import type { FromProxy } from '../proxy.ts';
import { signal, stateOf, until } from '../world/children.ts';
import { type Fault, type FaultContext, hit, missed } from './fault.ts';
import { processOfPort } from './process-of-port.ts';

const WAIT_MS = 60_000;

const postgresStop: Fault = {
  async run({ world, notes, dice }) {
    const from = Date.now();
    const old = await world.database.crash();
    await pause(dice.below(3_000));
    const to = Date.now();
    const pid = await world.database.start();
    notes.outages.push({ from, to: Math.max(to, Date.now()) });
    return pid === old ? missed(`${pid} is the same`) : hit(`${old} ended at once, ${pid} came`);
  },
};

/** What the proxy tells while `act` goes on. */
async function heard(
  { world }: FaultContext,
  act: (told: readonly FromProxy[]) => Promise<void>,
): Promise<readonly FromProxy[]> {
  const told: FromProxy[] = [];
  let open = true;
  world.proxy.onMessage((message) => {
    if (open) told.push(message);
  });
  await act(told);
  open = false;
  world.proxy.send({ do: 'disarm' });
  return told;
}

const lostAnswers = (of: 'any' | 'effects', count: number): Fault => ({
  async run(context) {
    const told = await heard(context, async (so) => {
      context.world.proxy.send({ do: 'swallow', count, of });
      await until(WAIT_MS, () => so.length >= count, 50);
    });
    const statements = told.flatMap((each) => (each.kind === 'swallowed' ? [each.statement] : []));
    return statements.length === 0
      ? missed('nothing was committed meanwhile')
      : hit(`${statements.length} answers to commits were swallowed`);
  },
});

/** A statement stays on the way while its writer stands still and loses what it owned. */
const heldStatement: Fault = {
  async run(context) {
    const { world, times } = context;
    let victim: number | null = null;
    const told = await heard(context, async (so) => {
      world.proxy.send({ do: 'hold', ms: times.pauseMs });
      await until(WAIT_MS, () => so.some(({ kind }) => kind === 'held'), 5);
      const held = so.find((each) => each.kind === 'held');
      if (held?.kind !== 'held') return;
      const pids = world.platform.engines().map(({ pid }) => pid);
      victim = processOfPort(held.from, pids);
      if (victim !== null) signal(victim, 'SIGSTOP');
      await until(times.pauseMs + WAIT_MS, () => so.some(({ kind }) => kind === 'passed on'), 50);
      await pause(500);
      const was = victim === null ? null : stateOf(victim);
      if (victim !== null) signal(victim, 'SIGCONT');
      if (was !== 'T') victim = null;
    });
    const passed = told.some(({ kind }) => kind === 'passed on');
    return passed && victim !== null
      ? hit(`an append of ${victim} came ${times.pauseMs} ms late, from a process that stood still`)
      : missed(`held: ${told.length > 0}, passed on: ${passed}, of process ${victim}`);
  },
};

const redisKill: Fault = {
  needs: 'redis',
  async run({ world, dice }) {
    const { redis } = world;
    if (redis === null) return missed('there is no cache');
    const old = redis.pid;
    await redis.kill();
    await pause(500 + dice.below(3_000));
    await redis.start();
    return redis.pid === old
      ? missed('the same one')
      : hit(`${old} died, ${redis.pid} came, empty`);
  },
};

const redisFlush: Fault = {
  needs: 'redis',
  async run({ world }) {
    const before = await world.redis?.ask('DBSIZE');
    const answer = await world.redis?.ask('FLUSHALL');
    return answer === '+OK' ? hit(`emptied of ${before?.slice(1)} keys`) : missed(`${answer}`);
  },
};

const diskFull: Fault = {
  needs: 'disk',
  async run({ world, notes, dice }) {
    const { disk } = world.database;
    if (disk === null) return missed('the disk is shared with others');
    const answers = () =>
      world.admin.query('select 1').then(
        () => true,
        () => false,
      );
    disk.fill();
    let code: string | null = null;
    // Nothing of ours is written: a table that no transaction will ever show.
    await until(
      20_000,
      async () => {
        code = await codeOfAWrite(world.database.url);
        return code !== null;
      },
      200,
    );
    await pause(1_000 + dice.below(3_000));
    // One that still answers what only reads is not away: it is ready, and refuses what writes.
    const from = Date.now();
    const away = !(await answers());
    disk.free();
    // Without room for its log the server ends itself; it comes back by itself or is started.
    if (!(await until(15_000, answers, 250))) {
      await world.database.crash();
      await world.database.start();
    }
    if (away) notes.outages.push({ from, to: Date.now() });
    return code === null ? missed('there was room') : hit(`a write was answered ${code}`);
  },
};

async function codeOfAWrite(url: string): Promise<string | null> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('begin');
    await client.query(
      `create table fills_the_disk as select repeat(md5(n::text), 200) as text
       from generate_series(1, 20000) n`,
    );
    await client.query('rollback');
    return null;
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    return code ?? message;
  } finally {
    await client.end().catch(() => undefined);
  }
}

const clockJump: Fault = {
  async run({ world, dice }) {
    const { clocks } = world.files;
    const [engine] = dice.shuffled(world.platform.engines());
    const pid = dice.below(2) === 0 ? world.platform.pid : engine?.pid;
    if (pid === undefined) return missed('there is no engine');
    const offset = dice.pick([20_000, -15_000, 5_000, -5_000]);
    const file = join(clocks, String(pid));
    const isAt = (ms: number) => () => {
      const at = `${file}.at`;
      return existsSync(at) && Number(readFileSync(at, 'utf8')) === ms;
    };
    writeFileSync(file, String(offset));
    const there = await until(10_000, isAt(offset), 50);
    await pause(2_000 + dice.below(2_000));
    writeFileSync(file, '0');
    const back = await until(10_000, isAt(0), 50);
    return there && back
      ? hit(`the clock of ${pid} jumped by ${offset} ms and back`)
      : missed(`${pid}: jumped ${there}, jumped back ${back}`);
  },
};

export const STORE_FAULTS = {
  'postgres-stop': postgresStop,
  'lost-answers': lostAnswers('any', 6),
  'lost-effects': lostAnswers('effects', 2),
  'held-statement': heldStatement,
  'redis-kill': redisKill,
  'redis-flush': redisFlush,
  'disk-full': diskFull,
  'clock-jump': clockJump,
} as const satisfies { readonly [name: string]: Fault };

/** The furthest that a clock is moved, in milliseconds. */
export const FURTHEST_JUMP_MS = 20_000;
