import { CloudFlowError } from '#core/errors.ts';
import type { Clock } from '#ports/clock.ts';
import type { PasswordHasher } from '#ports/password-hasher.ts';

export interface HashingLimits {
  /** Hashes at a time: each takes a whole core and 64 MiB. */
  readonly running: number;
  /** Callers that wait; those beyond are told to come again. */
  readonly waiting: number;
}

const DEFAULT_LIMITS: HashingLimits = { running: 1, waiting: 24 };
/** What a hash is taken to last until some were measured. */
const FIRST_GUESS_MS = 250;
/** How much the latest hash counts: about the last ten decide, so that a busy machine is noticed within seconds. */
const LATEST = 0.2;

/**
 * Hashing behind a queue with an end: a flood of sign-ins slows sign-ins down and nothing else. Whoever
 * finds it full throws UNAVAILABLE, with how long those before them take at the speed that was measured.
 */
export function boundHashing(
  hasher: PasswordHasher,
  clock: Pick<Clock, 'monotonic'>,
  limits: HashingLimits = DEFAULT_LIMITS,
): PasswordHasher {
  const waiting: (() => void)[] = [];
  let running = 0;
  let eachMs = FIRST_GUESS_MS;
  const secondsOf = (before: number): number =>
    Math.max(1, Math.ceil((before * eachMs) / limits.running / 1_000));
  const bounded = async <T>(work: () => Promise<T>): Promise<T> => {
    if (running >= limits.running) {
      if (waiting.length >= limits.waiting) {
        throw new CloudFlowError('UNAVAILABLE', 'too many are signing in at this moment', {
          details: { retry_after_seconds: secondsOf(running + waiting.length) },
        });
      }
      await new Promise<void>((resolve) => waiting.push(resolve));
    } else running += 1;
    const startedAt = clock.monotonic();
    try {
      return await work();
    } finally {
      eachMs += LATEST * (clock.monotonic() - startedAt - eachMs);
      const next = waiting.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  };
  return {
    hash: (password) => bounded(() => hasher.hash(password)),
    verify: (hash, password) => bounded(() => hasher.verify(hash, password)),
    needsRehash: (hash) => hasher.needsRehash(hash),
  };
}
