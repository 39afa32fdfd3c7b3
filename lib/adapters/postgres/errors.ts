/** What PostgreSQL says, as far as code of ours decides by it. */
export const UNIQUE_VIOLATION = '23505';
export const FOREIGN_KEY_VIOLATION = '23503';
/** Raised by `append_transitions`; the detail lists the fenced ones by their place, from 1. */
export const FENCED = 'CF001';

export function sqlState(error: unknown): string | null {
  if (typeof error !== 'object' || error === null || !('code' in error)) return null;
  return typeof error.code === 'string' && /^[0-9A-Z]{5}$/.test(error.code) ? error.code : null;
}

/**
 * Whether an error is about the rows of a batch, so that writing its halves apart finds the bad one.
 * Classes: 21 and 22 (data), 23 (constraints), 42 and 44 (types, checks), P0 (raised), 54 (limits).
 * Not so for lost connections, shut-downs, full disks and the like: there every half fails as well.
 */
export function isBatchPoison(error: unknown): boolean {
  const state = sqlState(error);
  return state !== null && /^(21|22|23|42|44|P0|54)/.test(state);
}

/** A deadlock or a serialization failure: nothing was written and the same again may succeed. */
export function isTransient(error: unknown): boolean {
  const state = sqlState(error);
  return state === '40001' || state === '40P01' || state === '55P03';
}
