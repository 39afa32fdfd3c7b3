/**
 * The first `nextDouble()` of `java.util.Random` with this seed: what Step Functions' `$random(seed)`
 * yields (seed 42 gives 0.7275636800328681, measured on AWS).
 */
export function javaRandom(seed: number): number {
  const mask = (1n << 48n) - 1n;
  const multiplier = 0x5deece66dn;
  let state = (BigInt(Math.trunc(seed)) ^ multiplier) & mask;
  const next = (bits: bigint): bigint => {
    state = (state * multiplier + 0xbn) & mask;
    return state >> (48n - bits);
  };
  const high = next(26n);
  return Number((high << 27n) + next(27n)) / 2 ** 53;
}
