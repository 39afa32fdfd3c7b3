/**
 * How long the templates of a stage take, from bundles that are built. Never a test.
 *
 *   npm run build && npm run synth:time              prod, three times
 *   npm run synth:time -- --stage dev --rounds 5
 *
 * Tells the median of real seconds and of CPU seconds, and how many cores others used meanwhile:
 * on a busy machine the second figure is the one to compare.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { readStage } from '#config/stages.ts';
import { busySeconds, cpuSecondsOf, describeMachine } from './machine.ts';
import { percentile } from './percentile.ts';

/** What is wanted of a machine that is quiet; told and not judged. */
const WANTED_SECONDS = 30;

const { values: args } = parseArgs({
  options: {
    stage: { type: 'string', default: 'prod' },
    rounds: { type: 'string', default: '3' },
  },
});
const stage = readStage(args.stage);
const rounds = Number(args.rounds);
if (!Number.isInteger(rounds) || rounds < 1 || rounds > 100) {
  throw new TypeError(`--rounds is ${args.rounds}; use a whole number from 1 to 100`);
}

const taken: number[] = [];
const used: number[] = [];
const others: number[] = [];
for (let round = 1; round <= rounds; round++) {
  const before = { at: performance.now(), own: cpuSecondsOf(process.pid), all: busySeconds() };
  const { status, stderr } = spawnSync('npm', ['run', 'synth', '--', '-c', `stage=${stage}`], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`the synth of ${stage} failed: ${stderr.slice(-2_000)}`);
  const seconds = (performance.now() - before.at) / 1_000;
  const own = cpuSecondsOf(process.pid) - before.own;
  taken.push(seconds);
  used.push(own);
  others.push(Math.max(0, busySeconds() - before.all - own) / seconds);
  process.stdout.write(
    `${stage} ${round}/${rounds}: ${seconds.toFixed(1)} s, ${own.toFixed(1)} s of CPU, others used ${others.at(-1)?.toFixed(1)} cores\n`,
  );
}
const median = (values: readonly number[]): string => percentile(values, 50).toFixed(1);
process.stdout.write(
  `${stage}, median of ${rounds}: ${median(taken)} s (wanted: below ${WANTED_SECONDS} s), ${median(used)} s of CPU, others used ${median(others)} cores; ${describeMachine()}\n`,
);
