/**
 * One run: a calm phase, as long a one with faults, one to see that all is as before, and then the checks.
 *
 *  R1 the same seed makes the same plan and the same workload;
 *  R2 a fault counts where there is evidence that it came about; under 90 % of them the run is void;
 *  R3 what the checker is told, it is told by the ledger, the target and the store, and by nothing of ours.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { autopsy, keepLog } from './autopsy.ts';
import { failures } from './checker/check.ts';
import type { Footprint } from './checker/evidence.ts';
import type { Invariant, Verdict } from './checker/tally.ts';
import { createDice } from './dice.ts';
import type { FaultContext, FaultResult, FaultTimes, Notes } from './faults/fault.ts';
import { readLines } from './files.ts';
import { judge } from './judge.ts';
import { type Lags, lags } from './lags.ts';
import { type Load, startLoad } from './load.ts';
import { FAULTS, planFaults } from './plan.ts';
import type { Call } from './records.ts';
import { endedIn, footprint, startWatch } from './watch.ts';
import { type Cost, whereTimeGoes } from './where-time-goes.ts';
import { until } from './world/children.ts';
import { openWorld, type World } from './world/world.ts';

export interface RunOptions extends FaultTimes {
  readonly root: string;
  readonly seed: number;
  /** Of the calm phase, and of the least that the one with faults takes. */
  readonly phaseMs: number;
  readonly afterMs: number;
  readonly faults: number;
  /** Only these; null: all that the machine can do. */
  readonly only: readonly string[] | null;
  readonly engines: number;
  readonly kafka: boolean;
  readonly diskMb: number | null;
  /** Starts that must have been acknowledged before the load ends; it goes on for one phase more at the most. */
  readonly leastStarts: number;
  /** Starts at a time, and executions under way at the most. */
  readonly places: number;
  readonly mostActive: number;
  readonly healMs: number;
  readonly readyBoundMs: number;
  readonly rateFloor: number;
  /** Where what is needed to explain an execution that has not ended is kept; made when there is one. */
  readonly keep: string;
  readonly say: (text: string) => void;
}

export interface FaultTold extends FaultResult {
  readonly name: string;
  /** Milliseconds after the first fault could come. */
  readonly atMs: number;
  /** Real time: from, until. */
  readonly from: number;
  readonly until: number;
  readonly active: number;
}

export interface Report {
  readonly seed: number;
  readonly verdicts: readonly Verdict[];
  readonly logs: readonly string[];
  /** Empty: the run is good. */
  readonly failures: readonly string[];
  /** Why the run says nothing; null: it does. */
  readonly void: string | null;
  readonly faults: readonly FaultTold[];
  readonly executions: number;
  readonly acknowledged: number;
  readonly requests: number;
  readonly unknown: number;
  readonly rate: { readonly calm: number; readonly faults: number; readonly after: number };
  readonly takeOvers: Notes['takeOvers'];
  readonly costs: readonly Cost[];
  /** What the checks took. */
  readonly judgedMs: number;
  readonly before: Footprint;
  readonly end: Footprint;
  readonly seconds: number;
}

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;
const LEAST_HIT = 0.9;
const WARM_UP_MS = 3_000;
/** Between faults at the least, so that the platform is about something when the next one comes. */
const BREATH_MS = 700;

export async function run(options: RunOptions): Promise<Report> {
  const { say } = options;
  const begun = performance.now();
  say(`seed ${options.seed}: starting PostgreSQL, the cache, the broker and the platform`);
  const world = await openWorld(options);
  const watch = startWatch(world);
  const dice = createDice(options.seed);
  const notes: Notes = { outages: [], absences: [], takeOvers: [], poisoned: [] };
  let load: Load | null = null;
  // Whoever ends it with Ctrl-C finds no disk and no server of it afterwards.
  const interrupted = (): void => {
    say('interrupted: everything is taken away');
    world
      .close()
      .catch((error: unknown) => say(`not all of it could be: ${error}`))
      .finally(() => process.exit(130));
  };
  for (const signal of SIGNALS) process.once(signal, interrupted);
  try {
    load = startLoad({
      ...{ tenants: world.tenants, ledger: world.ledger, target: world.target, dice },
      ...{ places: options.places, seed: `s${options.seed}` },
      full: () => watch.active > options.mostActive,
    });
    await pause(WARM_UP_MS);
    say('the calm phase');
    const calmFrom = Date.now();
    const calm = await rateOver(world, () => pause(options.phaseMs));
    const calmUntil = Date.now();
    const before = await footprint(world);
    say('the phase with faults');
    const faults: FaultTold[] = [];
    const faulty = await rateOver(world, () =>
      strike({ world, dice, times: options, notes }, options, () => watch.active, faults),
    );
    const faultsUntil = Date.now();
    say('faults are over: the phase after');
    await until(options.healMs, () => world.platform.engines().length >= options.engines);
    const after = await rateOver(world, () => pause(options.afterMs));
    const loaded = load;
    await until(options.phaseMs, () => loaded.acknowledged >= options.leastStarts, 250);
    await load.stop();
    say('nothing new begins: everything is to end');
    const ended = await until(options.healMs, async () => watch.active === 0, 250);
    const healed = await settled(world, options);
    await pause(1_000);
    const end = await footprint(world);
    await watch.stop();
    say(ended ? 'all has ended: the checks' : 'not all has ended: the checks');
    const stuck = ended ? [] : await autopsy(world, options.keep);
    for (const one of stuck) say(`NOT ENDED ${one}`);
    if (stuck.length > 0) say(`what is known of them is in ${options.keep}`);
    const rate = { calm, faults: faulty, after };
    const judging = performance.now();
    const { verdicts, logs } = await judge(world, {
      ...{ notes, healed, rate, before, end, load, probes: watch.probes },
      ...{ ...options, longestMs: options.pauseMs, interruptions: faults.length },
    });
    const judgedMs = Math.round(performance.now() - judging);
    const calls = (await readLines<Call>(world.files.calls)).map(({ to }) => to);
    const inCalm = calls.filter((at) => at >= calmFrom && at < calmUntil).length;
    const costs = whereTimeGoes(
      calls,
      (inCalm * 1_000) / (calmUntil - calmFrom),
      faults.filter(({ name }) => FAULTS[name]?.beside !== true),
      faultsUntil,
    );
    const failed = failures(verdicts, beyond(faults));
    if (failed.length > 0) {
      await keepLog(world, options.keep);
      say(`what the platform wrote is in ${options.keep}`);
    }
    return {
      ...{ costs, judgedMs },
      ...{
        seed: options.seed,
        verdicts,
        logs,
        faults,
        rate,
        before,
        end,
        takeOvers: notes.takeOvers,
      },
      failures: failed,
      void: voidness(faults),
      executions: await endedIn(world),
      ...{ acknowledged: load.acknowledged, requests: load.requests, unknown: load.unknown },
      seconds: Math.round((performance.now() - begun) / 1000),
    };
  } finally {
    await load?.stop().catch(() => undefined);
    await watch.stop();
    for (const signal of SIGNALS) process.off(signal, interrupted);
    await world.close();
  }
}

/** Executions that ended in a second of what `act` takes. */
async function rateOver(world: World, act: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  const before = await endedIn(world);
  await act();
  let after = before;
  // The last fault may have taken the database away.
  await until(60_000, async () => {
    after = await endedIn(world);
    return true;
  });
  return ((after - before) * 1000) / (performance.now() - begun);
}

async function strike(
  context: FaultContext,
  options: RunOptions,
  active: () => number,
  told: FaultTold[],
): Promise<void> {
  const { world, dice } = context;
  const can = (name: string): boolean => {
    const needs = FAULTS[name]?.needs;
    if (options.only !== null && !options.only.includes(name)) return false;
    if (needs === 'kafka') return world.kafka !== null;
    if (needs === 'redis') return world.redis !== null;
    return needs !== 'disk' || world.database.disk !== null;
  };
  const plan = [...planFaults(dice, options.faults, can)];
  const begun = performance.now();
  const everyMs = options.phaseMs / Math.max(1, plan.length);
  let beside: Promise<void> | null = null;

  async function one(name: string): Promise<void> {
    const [atMs, from] = [Math.round(performance.now() - begun), Date.now()];
    const before = active();
    const fault = FAULTS[name];
    if (fault === undefined) throw new TypeError(`there is no fault ${name}`);
    const result = await fault
      .run(context)
      .catch((error: unknown): FaultResult => ({ hit: false, evidence: `it failed: ${error}` }));
    told.push({ name, atMs, from, until: Date.now(), active: before, ...result });
    options.say(
      `${(atMs / 1000).toFixed(1)} s ${name}: ${result.hit ? '' : 'NOT HIT, '}${result.evidence}`,
    );
  }

  for (let n = 0; plan.length > 0; n++) {
    // While the broker is away for long, what needs it waits for its turn.
    const next = plan.findIndex((name) => beside === null || FAULTS[name]?.needs !== 'kafka');
    if (next < 0) {
      await beside;
      continue;
    }
    const [name] = plan.splice(next, 1) as [string];
    if (FAULTS[name]?.beside === true) {
      beside = one(name).finally(() => {
        beside = null;
      });
    } else await one(name);
    const due = begun + (n + 1) * everyMs - performance.now();
    await pause(Math.max(BREATH_MS, due));
  }
  await beside;
}

/** Until nothing waits any more, or the time to heal is over. */
async function settled(world: World, { healMs }: RunOptions): Promise<Lags> {
  let last = await lags(world).catch(() => null);
  await until(
    healMs,
    async () => {
      last = await lags(world);
      return last.outboxLag + (last.consumerLag ?? 0) + last.auditInbox === 0;
    },
    500,
  );
  return last ?? lags(world);
}

function voidness(faults: readonly FaultTold[]): string | null {
  const came = faults.filter(({ hit }) => hit).length;
  if (came < faults.length * LEAST_HIT) return `${came} of ${faults.length} faults came about`;
  const busy = faults.filter(({ active }) => active > 0).length;
  if (busy < faults.length * LEAST_HIT)
    return `something was under way at ${busy} of ${faults.length} faults`;
  return null;
}

/** What this run had nothing to look at for. */
function beyond(faults: readonly FaultTold[]): Invariant[] {
  const had = new Set(faults.filter(({ hit }) => hit).map(({ name }) => name));
  const kills = ['engine-kill', 'engines-kill', 'engine-pause', 'engine-pause-in-transaction'];
  return [
    ...(had.has('poison') ? [] : (['I20'] as const)),
    ...(kills.some((name) => had.has(name)) ? [] : (['L1'] as const)),
  ];
}
