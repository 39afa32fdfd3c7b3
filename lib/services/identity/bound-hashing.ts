import { CloudFlowError } from '#core/errors.ts';
import type { PasswordHasher } from '#ports/password-hasher.ts';

export interface HashingLimits {
  /** Hashes at a time: each takes a whole core and 64 MiB. */
  readonly running: number;
  /** Callers that wait; those beyond are told to come again. */
  readonly waiting: number;
}

const DEFAULT_LIMITS: HashingLimits = { running: 1, waiting: 24 };
/** How long the queue of callers takes at most, and so when to come again. */
const RETRY_AFTER_SECONDS = 5;

/** Hashing behind a queue with an end: a flood of sign-ins slows sign-ins down and nothing else. */
export function boundHashing(
  hasher: PasswordHasher,
  limits: HashingLimits = DEFAULT_LIMITS,
): PasswordHasher {
  const waiting: (() => void)[] = [];
  let running = 0;
  const bounded = async <T>(work: () => Promise<T>): Promise<T> => {
    if (running >= limits.running) {
      if (waiting.length >= limits.waiting) {
        throw new CloudFlowError('UNAVAILABLE', 'too many are signing in at this moment', {
          details: { retry_after_seconds: RETRY_AFTER_SECONDS },
        });
      }
      await new Promise<void>((resolve) => waiting.push(resolve));
    } else running += 1;
    try {
      return await work();
    } finally {
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
