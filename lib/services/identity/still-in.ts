import type { Mode } from '#ports/execution-store.ts';
import type { AuthenticateDeps } from './authenticate.ts';
import { isGood, isGoodKey } from './ways-in.ts';

/** Whose credential was verified when something that lasts was begun with it. */
export interface CameIn {
  readonly tenant: string;
  readonly mode: Mode;
  /** `Principal.subject`. */
  readonly subject: string;
  /** Of a user; null: a key came in. */
  readonly session: string | null;
}

/** Whether that credential would still let them in, as it is now and not as anything remembers. */
export async function isStillIn(
  {
    apiKeys,
    sessions,
    clock,
  }: Pick<AuthenticateDeps, 'sessions' | 'clock'> & {
    readonly apiKeys: Pick<AuthenticateDeps['apiKeys'], 'find'>;
  },
  { tenant, mode, subject, session }: CameIn,
): Promise<boolean> {
  if (session !== null) {
    const state = await sessions.state(tenant, session);
    if (state === null || !isGood(state, clock.now())) return false;
    return subject === `user:${state.user}` && mode === state.mode;
  }
  const id = /^key:(\w+)$/.exec(subject)?.[1];
  const key = id === undefined ? null : await apiKeys.find(id);
  return key?.tenant === tenant && key.mode === mode && isGoodKey(key, clock.now());
}
