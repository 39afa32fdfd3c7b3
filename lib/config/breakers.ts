/**
 * What programs ask outside themselves, each behind a circuit breaker: after so many failures in a row
 * nothing is asked of it for so long, and then one call tries. What steps call has breakers of its own, by
 * tenant and target (`steps/outbound-gate.ts`).
 */
interface BreakerSpec {
  readonly about: string;
  /** Failures in a row that open it. */
  readonly failures: number;
  /** How long nothing is asked, in real milliseconds. */
  readonly openMs: number;
}

export const BREAKERS = {
  cache: { about: 'windows of rate limits in the cache', failures: 5, openMs: 1_000 },
} as const satisfies Record<string, BreakerSpec>;

export type BreakerName = keyof typeof BREAKERS;
export const breakerNames = Object.keys(BREAKERS) as BreakerName[];
