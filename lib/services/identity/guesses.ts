import { networkOf } from '#core/address.ts';
import { CloudFlowError } from '#core/errors.ts';
import type { GuessKey } from '#ports/login-guard.ts';
import type { IdentityDeps } from './deps.ts';

/**
 * How many guesses at a password anyone gets, counted before anything is hashed:
 *
 *  - towards one account from one source: 5, then a lock of 15 minutes;
 *  - from one source (of IPv6 a /64) towards all accounts, and towards one account from everywhere:
 *    more, so that neither spraying nor many sources get far;
 *  - on a device where the user has signed in before: 10 of its own, which nobody else can use up. So
 *    guesses from elsewhere do not keep the owner out.
 */
export const GUESS_WINDOW_MS = 900_000;
const PER_ACCOUNT_AND_SOURCE = 5;
const PER_SOURCE = 100;
const PER_ACCOUNT = 100;
const PER_DEVICE = 10;
const PER_SECOND_FACTOR = 5;
const SIGN_INS_PER_SOURCE = 300;

export interface Attempt {
  /** Whether the guess is right, as `work` says. What it throws is not the guess's fault: it counts no more. */
  judge(work: () => Promise<boolean>): Promise<boolean>;
  /** The guess was right: it and the failures before it are forgotten. */
  succeeded(): Promise<void>;
}

type GuardDeps = Pick<IdentityDeps, 'guard' | 'key' | 'clock'>;

/** `account`: canonical, whether it exists or not. Throws LOCKED_OUT. */
export function passwordGuess(
  deps: GuardDeps,
  account: string,
  source: string | null,
  device: string | null,
): Promise<Attempt> {
  if (device !== null) {
    return reserve(deps, [keyOf(deps, PER_DEVICE, 'device', account, device)], []);
  }
  const from = networkOf(source);
  return reserve(
    deps,
    [keyOf(deps, PER_ACCOUNT_AND_SOURCE, 'account and source', account, from)],
    [keyOf(deps, PER_SOURCE, 'source', from), keyOf(deps, PER_ACCOUNT, 'account', account)],
  );
}

export function secondFactorGuess(deps: GuardDeps, user: string): Promise<Attempt> {
  return reserve(deps, [keyOf(deps, PER_SECOND_FACTOR, 'second factor', user)], []);
}

/** Mail that anyone may ask for: as many as guesses, whether the account exists or not. */
export async function mailRequest(
  deps: GuardDeps,
  account: string,
  source: string | null,
): Promise<void> {
  const from = networkOf(source);
  await reserve(
    deps,
    [
      keyOf(deps, PER_ACCOUNT_AND_SOURCE, 'mail', account),
      keyOf(deps, PER_SOURCE, 'mail from', from),
    ],
    [],
  );
}

/** Sign-ins elsewhere that one source may begin: each is remembered here until it ends. */
export async function signInBegun(deps: GuardDeps, source: string | null): Promise<void> {
  await reserve(deps, [keyOf(deps, SIGN_INS_PER_SOURCE, 'sign-ins from', networkOf(source))], []);
}

async function reserve(
  deps: GuardDeps,
  own: readonly GuessKey[],
  shared: readonly GuessKey[],
): Promise<Attempt> {
  const now = deps.clock.now();
  const until = await deps.guard.reserve([...own, ...shared], now, GUESS_WINDOW_MS);
  if (until !== null) {
    throw new CloudFlowError('LOCKED_OUT', 'too many attempts; come back later', {
      details: { retry_after_seconds: Math.max(1, Math.ceil((until - now) / 1_000)) },
    });
  }
  return {
    async judge(work) {
      try {
        return await work();
      } catch (error) {
        // Nobody learnt anything of the secret. Where giving it back fails as well it stays counted, which is
        // the safe side, and the first failure is the one to tell.
        await deps.guard.giveBack([...own, ...shared].map(({ key }) => key)).catch(() => undefined);
        throw error;
      }
    },
    async succeeded() {
      for (const { key } of own) await deps.guard.forget(key);
      await deps.guard.giveBack(shared.map(({ key }) => key));
    },
  };
}

function keyOf(deps: GuardDeps, limit: number, ...parts: readonly string[]): GuessKey {
  return { key: deps.key.mac('guess', JSON.stringify(parts)), limit };
}
