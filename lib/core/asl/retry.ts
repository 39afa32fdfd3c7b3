import type { RetryPolicy } from '#core/plan/program.ts';
import type { Retrier } from './types.ts';

/** AWS's bounds of the fields. */
const MAX_DELAY_SECONDS = 31_622_400;

/**
 * Delays before retry 1, 2, ... in milliseconds, as the rules define them. Nothing else may decide
 * when a retry is due, so a Retrier is written only where it waits exactly that long.
 */
export function delaysOf(policy: RetryPolicy): number[] {
  return Array.from({ length: policy.maxAttempts }, (_, n) =>
    Math.min(
      policy.intervalMs * policy.rate ** n,
      policy.maxIntervalMs ?? Number.POSITIVE_INFINITY,
    ),
  );
}

/** Why Amazon's retriers, which count whole seconds, cannot wait as this policy says; else null. */
export function inexpressible(policy: RetryPolicy): string | null {
  for (const [i, delay] of delaysOf(policy).entries()) {
    if (delay < 1_000 || delay % 1_000 !== 0) {
      return `the delay before retry ${i + 1} is ${delay} ms`;
    }
    if (delay > MAX_DELAY_SECONDS * 1_000) {
      return `the delay before retry ${i + 1} is ${delay} ms, over a year`;
    }
  }
  return policy.rate < 1 && policy.maxAttempts > 1 ? `the rate is ${policy.rate}` : null;
}

/** The retrier of a policy that is expressible; null when nothing is retried. */
export function retrierOf(
  policy: RetryPolicy,
  retryable: readonly string[],
  platformTimeouts: readonly string[],
): Retrier | null {
  if (policy.maxAttempts === 0) return null;
  const cap = policy.maxIntervalMs;
  const capped = cap !== null && cap <= policy.intervalMs;
  const rate = capped ? 1 : policy.rate;
  const seconds = Math.ceil((capped ? cap : policy.intervalMs) / 1_000);
  return {
    ErrorEquals: [...new Set([...retryable, ...platformTimeouts, ...(policy.retryOn ?? [])])],
    IntervalSeconds: Math.max(seconds, 1),
    BackoffRate: Math.max(rate, 1),
    MaxAttempts: policy.maxAttempts,
    ...(capped || cap === null ? {} : { MaxDelaySeconds: Math.ceil(cap / 1_000) }),
  };
}
