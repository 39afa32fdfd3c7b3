/** The nearest-rank percentile of some measurements. */
export function percentile(measured: readonly number[], rank: number): number {
  const sorted = measured.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((sorted.length * rank) / 100) - 1)] ?? Number.NaN;
}
