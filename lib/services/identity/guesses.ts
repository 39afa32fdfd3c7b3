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
 *
 * Codes of a second factor count alike: within a session, or on a device that is known, 5 of its own;
 * else 5 towards one user from one source, and from everywhere as many as leave six digits unguessed.
 */
export const GUESS_WINDOW_MS = 900_000;
const PER_ACCOUNT_AND_SOURCE = 5;
const PER_SOURCE = 100;
const PER_ACCOUNT = 100;
const PER_DEVICE = 10;
const PER_SECOND_FACTOR = 5;
const PER_SECOND_FACTOR_FROM_EVERYWHERE = 20;
/** Beyond that nothing is mailed, silently: what was mailed before is good for longer than the window. */
const MAILS_PER_ACCOUNT = 10;
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

/** Where a code of a second factor comes from. */
export interface CodeSource {
  /** What nobody else can have: the session, or the device where the user has signed in before; null: neither. */
  readonly known: string | null;
  readonly source: string | null;
}

export function secondFactorGuess(
  deps: GuardDeps,
  user: string,
  { known, source }: CodeSource,
): Promise<Attempt> {
  if (known !== null) {
    return reserve(deps, [keyOf(deps, PER_SECOND_FACTOR, 'second factor known', user, known)], []);
  }
  return reserve(
    deps,
    [keyOf(deps, PER_SECOND_FACTOR, 'second factor', user, networkOf(source))],
    [keyOf(deps, PER_SECOND_FACTOR_FROM_EVERYWHERE, 'second factor from everywhere', user)],
  );
}

/**
 * Mail that anyone may ask for, whether the account exists or not. Throws LOCKED_OUT for what this source
 * asked for alone; false where others have had enough mailed, which the answer must not tell.
 */
export async function mailRequest(
  deps: GuardDeps,
  account: string,
  source: string | null,
): Promise<boolean> {
  const from = networkOf(source);
  await reserve(
    deps,
    [
      keyOf(deps, PER_ACCOUNT_AND_SOURCE, 'mail', account, from),
      keyOf(deps, PER_SOURCE, 'mail from', from),
    ],
    [],
  );
  const all = [keyOf(deps, MAILS_PER_ACCOUNT, 'mail to', account)];
  return (await deps.guard.reserve(all, deps.clock.now(), GUESS_WINDOW_MS)) === null;
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
