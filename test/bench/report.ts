/**
 * Medians over rounds, and medians of the ratios within a round: drift of the machine cancels out.
 * Rounds that others disturbed do not count where there are others.
 */
import { OURS } from './contenders.ts';
import type { HttpMeasured } from './http.ts';
import type { Measured } from './shapes.ts';

export interface Round {
  readonly round: number;
  readonly measured: readonly Measured[];
}

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly rounds: number;
}

export interface Ratio extends Spread {
  readonly shape: string;
  /** Ours divided by this one's. */
  readonly to: string;
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  const median = sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
  return {
    median,
    min: sorted[0] ?? Number.NaN,
    max: sorted.at(-1) ?? Number.NaN,
    rounds: sorted.length,
  };
}

/** Others' load on the machine while something was measured, in cores, above which it is not trusted. */
const DISTURBED_CORES = 0.3;

/** Those that nobody disturbed; all of them where there is none. */
function trusted<T extends { readonly outside: number }>(measured: readonly T[]): readonly T[] {
  const quiet = measured.filter(({ outside }) => outside <= DISTURBED_CORES);
  return quiet.length > 0 ? quiet : measured;
}

export function ratiosOf(rounds: readonly Round[]): Ratio[] {
  const found = new Map<
    string,
    { shape: string; to: string; values: { value: number; outside: number }[] }
  >();
  for (const { measured } of rounds) {
    for (const ours of measured.filter(({ contender }) => contender === OURS)) {
      for (const theirs of measured) {
        if (theirs.contender === OURS || theirs.shape !== ours.shape) continue;
        const key = `${theirs.shape} ${theirs.contender}`;
        const entry = found.get(key) ?? { shape: theirs.shape, to: theirs.contender, values: [] };
        entry.values.push({
          value: ours.perSecond / theirs.perSecond,
          outside: Math.max(ours.outside, theirs.outside),
        });
        found.set(key, entry);
      }
    }
  }
  return [...found.values()].map(({ values, ...of }) => ({
    ...of,
    ...spreadOf(trusted(values).map(({ value }) => value)),
  }));
}

export const short = (value: number): string =>
  value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(value < 1 ? 2 : 3);

export function formatMeasured(rounds: readonly Round[]): string[] {
  const groups = Map.groupBy(
    rounds.flatMap(({ measured }) => measured),
    ({ contender, steps, shape }) => `${contender} | ${steps} | ${shape}`,
  );
  const lines = [
    '| who | steps | shape | workflows/s (spread) | p50 ms | p99 ms | CPU s per 1,000: Node + store | log bytes each | outside cores | RSS (heap) MiB | rounds |',
    '|---|---|---|---|---|---|---|---|---|---|---|',
  ];
  for (const [key, all] of groups) {
    const group = trusted(all);
    const of = (read: (one: Measured) => number) => spreadOf(group.map(read));
    const speed = of((one) => one.perSecond);
    const wal = group[0]?.walBytes == null ? '-' : short(of((one) => one.walBytes ?? 0).median);
    const alive = group[0]?.heapMiB ?? null;
    const heap = alive === null ? '' : ` (${alive.toFixed(1)})`;
    lines.push(
      `| ${key} | ${short(speed.median)} (${short(speed.min)}-${short(speed.max)}) | ${short(of((one) => one.p50).median)} | ${short(of((one) => one.p99).median)} | ${of((one) => one.nodeCpu).median.toFixed(2)} + ${of((one) => one.storeCpu).median.toFixed(2)} | ${wal} | ${of((one) => one.outside).median.toFixed(2)} | ${Math.round(of((one) => one.rssMiB).median)}${heap} | ${group.length} of ${all.length} |`,
    );
  }
  return lines;
}

export function formatRatios(rounds: readonly Round[]): string[] {
  const ratios = ratiosOf(rounds);
  if (ratios.length === 0) return [];
  return [
    '| shape | ours / | median of the ratios | least | most | rounds |',
    '|---|---|---|---|---|---|',
    ...ratios.map(
      ({ shape, to, median, min, max, rounds: n }) =>
        `| ${shape} | ${to} | ${short(median)} | ${short(min)} | ${short(max)} | ${n} |`,
    ),
  ];
}

export function formatHttp(rounds: readonly (readonly HttpMeasured[])[]): string[] {
  const groups = Map.groupBy(rounds.flat(), (one) => `${one.what} | ${one.connections}`);
  const lines = [
    '| request | connections | requests/s (spread) | p50 ms | p99 ms | µs CPU each: server + PostgreSQL | not 2xx |',
    '|---|---|---|---|---|---|---|',
  ];
  for (const [key, group] of groups) {
    const of = (read: (one: HttpMeasured) => number) => spreadOf(group.map(read));
    const speed = of((one) => one.perSecond);
    lines.push(
      `| ${key} | ${short(speed.median)} (${short(speed.min)}-${short(speed.max)}) | ${short(of((one) => one.p50).median)} | ${short(of((one) => one.p99).median)} | ${short(of((one) => one.serverCpu).median)} + ${short(of((one) => one.postgresCpu).median)} | ${group.reduce((sum, one) => sum + one.refused, 0)} |`,
    );
  }
  return lines;
}
