import { describeMachine, untilQuiet } from './machine.ts';
import { percentile } from './percentile.ts';

/** In microseconds. */
export interface Timed {
  readonly p50: number;
  readonly p99: number;
  /** Of this process for each call: user and system. */
  readonly cpu: number;
  readonly perSecond: number;
}

/** `count` calls, one after the other, when a tenth of them has warmed up and the machine is quiet. */
export async function timed(
  count: number,
  call: (i: number) => Promise<unknown>,
  quietSeconds: number,
): Promise<Timed> {
  for (let i = 0; i < count / 10; i++) await call(i);
  await untilQuiet(quietSeconds);
  const taken: number[] = [];
  const cpu = process.cpuUsage();
  const begun = performance.now();
  for (let i = 0; i < count; i++) {
    const from = performance.now();
    await call(i);
    taken.push((performance.now() - from) * 1_000);
  }
  const seconds = (performance.now() - begun) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  return {
    p50: percentile(taken, 50),
    p99: percentile(taken, 99),
    cpu: (user + system) / count,
    perSecond: count / seconds,
  };
}

const COLUMNS = ['p50', 'p99', 'cpu', 'perSecond'] as const;

/** Medians of rounds that measured the same, as a table or as JSON. */
export function report(rounds: readonly Readonly<Record<string, Timed>>[], json: boolean): string {
  const median = (name: string, of: keyof Timed): number =>
    percentile(
      rounds.map((round) => (round[name] as Timed)[of]),
      50,
    );
  const names = Object.keys(rounds[0] as object);
  if (json) {
    const told = Object.fromEntries(
      names.map((name) => [name, Object.fromEntries(COLUMNS.map((of) => [of, median(name, of)]))]),
    );
    return `${JSON.stringify({ machine: describeMachine(), report: told })}\n`;
  }
  const lines = names.map((name) => {
    const cells = COLUMNS.map((of) => median(name, of).toFixed(median(name, of) < 10 ? 2 : 0));
    return `| ${name} | ${cells.join(' | ')} |\n`;
  });
  return [
    `${describeMachine()}; medians of ${rounds.length} rounds\n\n`,
    '| what | p50 µs | p99 µs | CPU µs | per second |\n|---|---|---|---|---|\n',
    ...lines,
  ].join('');
}
