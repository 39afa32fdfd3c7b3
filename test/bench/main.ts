/**
 * Speed, measured beside the peers in one run on one PostgreSQL with fsync on. Never a test.
 *
 *   npm run bench                         all but what takes long: memory, rows, events (which needs Kafka), take-over
 *   npm run bench -- --only peers,http    chosen parts: peers growth http language dense expressions hostile wide
 *                                         scale memory rows events take-over
 *   npm run bench -- --contenders ours,dbos --rounds 1 --scale 0.1
 *
 * Each measurement waits until the rest of the machine is quiet, is repeated once where others used
 * more than 0.3 of a core meanwhile, and says how much they used. Contenders take turns, so that what
 * drifts meets them all; what is compared is the ratio within a round.
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { CONTENDERS, type ContenderEntry, installPeers, OURS, runContender } from './contenders.ts';
import { type HttpMeasured, measureHttp } from './http.ts';
import { describeMachine, durableWriteMs, untilQuiet } from './machine.ts';
import { formatHttp, formatMeasured, formatRatios, type Round, ratiosOf } from './report.ts';
import type { Measured, Shape } from './shapes.ts';
import { dearestStatements, STATEMENT_SETTINGS, type Stores, startStores } from './stores.ts';

const { values: args } = parseArgs({
  options: {
    only: {
      type: 'string',
      default: 'peers,growth,http,language,dense,expressions,hostile,wide,scale',
    },
    contenders: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    /** Shrinks every count, to try the bench itself. */
    scale: { type: 'string', default: '1' },
    'quiet-seconds': { type: 'string', default: '40' },
    repeats: { type: 'string', default: '1' },
    /** Writes a CPU profile of each of our processes here. */
    'cpu-prof-dir': { type: 'string' },
    /** Prints the dearest statements of each of our runs; costs a little of the speed. */
    statements: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    out: { type: 'string' },
  },
});
const chosen = args.only.split(',');
const roundCount = Number(args.rounds);
const scale = Number(args.scale);
const quietSeconds = Number(args['quiet-seconds']);
const profile = args['cpu-prof-dir'];
const profilerFlags = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`];
const say = (line: string): void => void process.stderr.write(`${line}\n`);
const scaled = (count: number): number => Math.max(1, Math.round(count * scale));

const SUBMITTERS = 64;
const open = (count: number): Shape => ({
  kind: 'open',
  count: scaled(count),
  inFlight: SUBMITTERS,
});
const closed = (count: number, inFlight: number): Shape => ({
  kind: 'closed',
  count: scaled(count),
  inFlight,
});

const PEER_SHAPES = [closed(200, 1), closed(2_000, 100), open(2_000), open(10_000)];
const IN_FLIGHT = [
  closed(500, 1),
  closed(2_000, 10),
  closed(5_000, 100),
  closed(10_000, 1_000),
  closed(24_000, 8_000),
];
const STEP_COUNTS = [
  { steps: 1, shapes: [closed(200, 1), closed(6_000, 100)] },
  { steps: 4, shapes: [closed(200, 1), closed(4_000, 100)] },
  { steps: 20, shapes: [closed(100, 1), closed(1_000, 100)] },
  { steps: 100, shapes: [closed(20, 1), closed(300, 100)] },
];
/** Files of their own, which take no options from here. */
const SCRIPTS = [
  ...['language', 'dense', 'expressions', 'hostile', 'wide', 'scale', 'rows', 'events'],
  'take-over',
];
/** Ten equal parts, after each of which what is resident is written down. */
const MEMORY = Array.from({ length: 10 }, () => closed(10_000, 1_000));

const result: {
  machine: string;
  durableWriteMs: number;
  loadBefore: number[];
  rounds: Round[];
  growth: Measured[];
  memory: Measured[];
  http: HttpMeasured[][];
  scripts: Record<string, string>;
} = {
  machine: describeMachine(),
  durableWriteMs: 0,
  loadBefore: loadavg(),
  rounds: [],
  growth: [],
  memory: [],
  http: [],
  scripts: {},
};

const [ours] = CONTENDERS as [ContenderEntry];
const stores = await startStores(args.statements ? STATEMENT_SETTINGS : {});
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void stores.close().finally(() => process.exit(130)));
}
try {
  result.durableWriteMs = durableWriteMs(stores.directory);
  say(`${result.machine}; a durable write takes ${result.durableWriteMs.toFixed(2)} ms`);
  if (chosen.includes('peers')) await comparePeers(stores);
  if (chosen.includes('growth')) await measureGrowth(stores);
  if (chosen.includes('http')) {
    const rounds = Math.min(roundCount, 3);
    for (let round = 1; round <= rounds; round++) {
      say(`http, round ${round}`);
      result.http.push(
        await measureHttp(stores, {
          seconds: Math.max(1, 4 * scale),
          quietSeconds,
          nodeFlags: profilerFlags,
        }),
      );
    }
    save();
    print(formatHttp(result.http));
  }
  if (chosen.includes('memory')) {
    say('memory');
    result.memory.push(...(await measureOurs(stores, 4, MEMORY, ['--expose-gc'])));
    print(
      formatMeasured(
        result.memory.map((one, i) => ({
          round: i,
          measured: [{ ...one, shape: `part ${i + 1}` }],
        })),
      ),
    );
  }
} finally {
  await stores.close();
}
for (const script of SCRIPTS) {
  if (!chosen.includes(script)) continue;
  await untilQuiet(quietSeconds);
  runScript(script);
}
save();
if (args.json) process.stdout.write(`${JSON.stringify(resultSoFar())}\n`);

function resultSoFar() {
  return { ...result, ratios: ratiosOf(result.rounds) };
}

/** After every part: a run of many minutes may be ended before its end. */
function save(): void {
  if (args.out !== undefined) writeFileSync(args.out, JSON.stringify(resultSoFar(), null, 1));
}

function print(lines: readonly string[]): void {
  if (!args.json && lines.length > 0) process.stdout.write(`\n${lines.join('\n')}\n`);
}

async function comparePeers(on: Stores): Promise<void> {
  const named = args.contenders?.split(',');
  const taking = CONTENDERS.filter(({ name, optional }) =>
    named === undefined ? optional !== true : named.includes(name),
  );
  const peersThere = taking.some(({ peer }) => peer) && installPeers(say);
  const able = taking.filter(({ peer }) => !peer || peersThere);
  for (let round = 1; round <= roundCount; round++) {
    const measured: Measured[] = [];
    // Every other round backwards: nobody always follows the same one.
    for (const entry of round % 2 === 1 ? able : able.toReversed()) {
      say(`round ${round}: ${entry.name}`);
      measured.push(...(await runOne(on, entry, 4, PEER_SHAPES)));
    }
    result.rounds.push({ round, measured });
    save();
  }
  print(formatMeasured(result.rounds));
  print(formatRatios(result.rounds));
}

async function measureGrowth(on: Stores): Promise<void> {
  say('growth with executions in flight');
  result.growth.push(...(await measureOurs(on, 4, IN_FLIGHT)));
  for (const { steps, shapes } of STEP_COUNTS) {
    say(`growth with steps: ${steps}`);
    result.growth.push(...(await measureOurs(on, steps, shapes)));
  }
  save();
  print(formatMeasured([{ round: 1, measured: result.growth }]));
}

function measureOurs(
  on: Stores,
  steps: number,
  shapes: readonly Shape[],
  nodeFlags: readonly string[] = [],
): Promise<Measured[]> {
  return runOne(on, ours, steps, shapes, nodeFlags);
}

function runOne(
  on: Stores,
  entry: ContenderEntry,
  steps: number,
  shapes: readonly Shape[],
  nodeFlags: readonly string[] = [],
): Promise<Measured[]> {
  const profiled = entry.name === OURS ? profilerFlags : [];
  return runContender(entry, on, {
    steps,
    shapes,
    warmUp: scaled(300),
    quietSeconds,
    repeats: Number(args.repeats),
    say,
    nodeFlags: [...profiled, ...nodeFlags],
    ...(args.statements && entry.name === OURS
      ? { afterwards: async (url) => print(await dearestStatements(url, 16)) }
      : {}),
  });
}

/** The ones that measure by themselves print for themselves. */
function runScript(name: string): void {
  say(name);
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    ['--no-warnings', fileURLToPath(new URL(`${name}.ts`, import.meta.url))],
    { encoding: 'utf8' },
  );
  result.scripts[name] = stdout;
  print([stdout.trimEnd()]);
  if (status !== 0) say(`${name} failed: ${stderr.trim()}`);
}
