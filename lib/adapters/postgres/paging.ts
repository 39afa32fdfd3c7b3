import type { Page, PageRequest } from '#ports/execution-store.ts';

/** No page is longer, whatever is asked for. */
export const MAX_PAGE = 500;

export const HIGHEST_ID = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

/** A page of `items`, of which one more than `limit` was read. */
export function paged<T>(items: readonly T[], limit: number, cursor: (item: T) => string): Page<T> {
  const shown = items.slice(0, limit);
  const last = shown.at(-1);
  return { items: shown, next: items.length > limit && last !== undefined ? cursor(last) : null };
}

export function clampLimit(page: PageRequest): number {
  return Math.min(Math.max(page.limit, 1), MAX_PAGE);
}
