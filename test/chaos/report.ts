/** What a run found, as it stands in docs/reliability.md: written by the harness, between its marks. */
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { INVARIANTS } from './checker/tally.ts';
import type { PlantedResult } from './planted.ts';
import type { Report } from './run.ts';

type Part = 'run' | 'planted';

/** Puts `text` where the document keeps this part; a document without the place for it is an error. */
export function putIn(file: string, part: Part, text: string): void {
  const [open, close] = [`<!-- ${part} -->`, `<!-- end of ${part} -->`];
  const document = readFileSync(file, 'utf8');
  const [from, to] = [document.indexOf(open), document.indexOf(close)];
  if (from < 0 || to < from) throw new Error(`${file} has no ${open} ... ${close}`);
  writeFileSync(file, `${document.slice(0, from + open.length)}\n${text}\n${document.slice(to)}`);
}

export function reportText(report: Report, at: Date): string {
  const { rate, faults, takeOvers, before, end } = report;
  const hit = faults.filter((fault) => fault.hit).length;
  const kinds = new Set(faults.filter((fault) => fault.hit).map(({ name }) => name));
  const violations = report.verdicts.reduce((sum, each) => sum + each.violations, 0);
  const held = rate.calm === 0 ? 0 : (100 * rate.faults) / rate.calm;
  const times = takeOvers.flatMap(({ ms }) => (ms === null ? [] : [ms])).sort((a, b) => a - b);
  const answered = report.requests - report.unknown;
  return [
    `Seed ${report.seed}, ${at.toISOString().slice(0, 10)}, ${Math.round(report.seconds / 60)} minutes with start and checks, ${cpus().length} processors that everything shares: platform, two engines,`,
    'PostgreSQL (its disk is a part of memory, so that it can be filled), Redis, Kafka, target, proxy, load and checker.',
    '',
    `- **${number(report.executions)} executions, ${hit} of ${faults.length} faults of ${kinds.size} kinds came about, ${violations} violations.**`,
    ...(report.void === null ? [] : [`- **The run is void: ${report.void}.**`]),
    `- ${rate.calm.toFixed(1)} executions a second ended in the calm phase, ${rate.faults.toFixed(1)} under faults (${held.toFixed(0)} %; 75 % is the aim), ${rate.after.toFixed(1)} after them.`,
    `- ${number(report.requests)} requests for starts and cancels, ${number(report.acknowledged)} starts acknowledged; ${number(answered)} requests were answered at once (${((100 * answered) / Math.max(1, report.requests)).toFixed(1)} %), the others when they were repeated.`,
    `- Take-over of what a dead or stopped engine had: ${times.length} times, median ${middle(times)} ms, longest ${times.at(-1) ?? 0} ms.`,
    `- The checks took ${seconds(report.judgedMs)}. What is lost is laid to the last fault before it, by what the target was called; a negative figure means that more than in the calm was done.`,
    `- Handles ${before.handles} before the faults and ${end.handles} at the end, sessions ${before.sessions} and ${end.sessions}, memory ${before.memoryMb} and ${end.memoryMb} MB.`,
    '',
    '| | what holds | looked at | violations |',
    '|---|---|---|---|',
    ...report.verdicts.map(
      ({ id, looked, violations: wrong }) =>
        `| ${id} | ${INVARIANTS[id]} | ${looked === 0 ? 'nothing' : number(looked)} | ${wrong} |`,
    ),
    '',
    '| fault | came about | lost, in seconds of the calm rate | longest without a call | for instance |',
    '|---|---|---|---|---|',
    ...[...Map.groupBy(faults, ({ name }) => name)].sort().map(([name, own]) => {
      const came = own.filter((fault) => fault.hit);
      const shown = came[0] ?? own[0];
      const cost = report.costs.find((each) => each.name === name);
      const lost =
        cost === undefined ? '|' : `${cost.lostSeconds.toFixed(1)} | ${seconds(cost.standstillMs)}`;
      return `| \`${name}\` | ${came.length} of ${own.length} | ${lost} | ${shown?.evidence ?? ''} |`;
    }),
    ...(report.failures.length === 0
      ? []
      : ['', 'What failed:', '', ...report.failures.map((each) => `- ${each.slice(0, 600)}`)]),
  ].join('\n');
}

export function plantedText(results: readonly PlantedResult[], at: Date): string {
  return [
    `Seed and machine as in the short run, ${at.toISOString().slice(0, 10)}. Violations are counted.`,
    '',
    '| planted | faults | must be named | named by the run |',
    '|---|---|---|---|',
    ...results.map(
      ({ bug, by }) =>
        `| ${bug.name} | ${bug.faults.join(', ') || 'none'} | ${bug.breaks.join(' or ')} | ${by.join(', ') || '**nothing**'} |`,
    ),
  ].join('\n');
}

function number(n: number): string {
  return n.toLocaleString('en-US');
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}

function middle(sorted: readonly number[]): number {
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
