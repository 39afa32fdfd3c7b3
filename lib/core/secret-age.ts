import { timeOfId } from './ids.ts';

/**
 * How long a secret that a tenant has set is to be used: the platform cannot change it, for it was made
 * elsewhere, but says when it was set and tells when it is to be changed.
 */
export const TENANT_SECRETS = {
  usedDays: 90,
  /** So long before, people are told. */
  aheadDays: 10,
} as const;

const DAY_MS = 86_400_000;
const KEPT_AS = /^s-([0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12})$/;

/** When it was set and by when it is to be changed, milliseconds since 1970; null: its name does not say. */
export function secretAge(
  keptAs: string,
): { readonly setAt: number; readonly turnBy: number } | null {
  const id = KEPT_AS.exec(keptAs)?.[1];
  if (id === undefined) return null;
  const setAt = timeOfId(id);
  return { setAt, turnBy: setAt + TENANT_SECRETS.usedDays * DAY_MS };
}

/** Times before which what was set is due, and overdue. */
export function secretsDueBefore(now: number): { readonly due: number; readonly overdue: number } {
  const { usedDays, aheadDays } = TENANT_SECRETS;
  return { due: now - (usedDays - aheadDays) * DAY_MS, overdue: now - usedDays * DAY_MS };
}
