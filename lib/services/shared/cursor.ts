import { createHmac, timingSafeEqual } from 'node:crypto';
import { CloudFlowError } from '#core/errors.ts';
import { canonicalJson, type Json } from '#core/json.ts';
import type { Page, PageRequest } from '#ports/execution-store.ts';
import type { Principal } from '../identity/principal.ts';
import type { Keys } from './key-ring.ts';

/**
 * Cursors are opaque and bound to who asked for what: a cursor of another tenant, another operation
 * or another filter does not verify, so a store may trust the position that it gave out.
 */
export interface Cursors {
  request(scope: CursorScope, query: ListQuery): PageRequest;
  page<T, U>(
    scope: CursorScope,
    query: ListQuery,
    page: Page<T>,
    present: (item: T) => U,
  ): { items: U[]; next_cursor: string | null };
}

export interface CursorScope {
  readonly principal: Principal;
  readonly operation: string;
  /** Path parameters and whatever else makes it another list. */
  readonly of?: Json;
}

export interface ListQuery {
  readonly limit?: number;
  readonly cursor?: string;
  readonly [filter: string]: unknown;
}

const MAC_BYTES = 16;

/** `keys`: the same in every process that serves the same callers. A cursor of any of them is good. */
export function createCursors(keys: Keys): Cursors {
  const mac = (key: Uint8Array, scope: CursorScope, query: ListQuery, position: string): Buffer => {
    const { cursor: _cursor, limit: _limit, ...filter } = query;
    const { tenant, mode } = scope.principal;
    const bound = [scope.operation, tenant, mode, scope.of ?? null, filter as Json, position];
    return createHmac('sha256', key)
      .update(canonicalJson(bound as Json))
      .digest()
      .subarray(0, MAC_BYTES);
  };
  return {
    request(scope, query) {
      const limit = query.limit ?? 50;
      if (query.cursor === undefined) return { limit, after: null };
      const bytes = Buffer.from(query.cursor, 'base64url');
      const position = bytes.subarray(MAC_BYTES).toString('utf8');
      const given = bytes.subarray(0, MAC_BYTES);
      const isOf = (key: Uint8Array): boolean =>
        timingSafeEqual(given, mac(key, scope, query, position));
      if (given.length !== MAC_BYTES || !keys.all().some(isOf)) {
        throw new CloudFlowError(
          'CURSOR_INVALID',
          'the cursor is not of this list; start without one and keep the filter the same',
        );
      }
      return { limit, after: position };
    },
    page(scope, query, page, present) {
      const next = page.next;
      return {
        items: page.items.map(present),
        next_cursor:
          next === null
            ? null
            : Buffer.concat([mac(keys.now(), scope, query, next), Buffer.from(next)]).toString(
                'base64url',
              ),
      };
    },
  };
}
