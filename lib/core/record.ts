/**
 * What names a small record of the platform (`KeyValue` in lib/ports), and what it may hold. The checks
 * are shared, so that every store refuses the same and no store is asked for what it would read in its
 * own way.
 */
export interface RecordKey {
  /** A UUID; `NO_TENANT` for what the platform keeps for itself. */
  readonly tenant: string;
  /** What sort of record: `revoked_token`. */
  readonly kind: string;
  /**
   * 1 to 256 printable ASCII characters without blanks. Whatever a person or a stranger is named by
   * goes in as a hash: ids are not sealed, and metrics of a store may show them.
   */
  readonly id: string;
}

export interface RecordRange {
  readonly tenant: string;
  readonly kind: string;
  /** What ids begin with, an id itself; empty: all of the kind. */
  readonly prefix: string;
}

export interface RecordPage {
  /** 1 to `MAX_RECORDS`. */
  readonly limit: number;
  /** The last id of the page before; null: the first page. */
  readonly after: string | null;
}

/** For records that belong to no tenant, such as attempts to sign in before anyone is known. */
export const NO_TENANT = '00000000-0000-0000-0000-000000000000';
/** Of the value as it lies in the store. */
export const MAX_RECORD_BYTES = 65_536;
export const MAX_RECORDS = 500;

const TENANT = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/;
const KIND = /^[a-z][a-z0-9_]{0,31}$/;
const ID = /^[\x21-\x7e]{1,256}$/;
/** What a store of timestamps can hold and JavaScript can read: the year 9999. */
const MAX_TIME = 253_402_300_799_999;

/** Throws a TypeError that says which part of the key cannot be one. */
export function checkRecordKey({ tenant, kind, id }: RecordKey): void {
  checkOwner(tenant, kind);
  if (!ID.test(id)) {
    throw new TypeError(
      `the id of a ${kind} is ${shown(id)}; use 1 to 256 printable ASCII characters without blanks`,
    );
  }
}

/** The same for a page of a range. */
export function checkRecordRange({ tenant, kind, prefix }: RecordRange, page: RecordPage): void {
  checkOwner(tenant, kind);
  if (prefix !== '') checkRecordKey({ tenant, kind, id: prefix });
  if (page.after !== null) {
    checkRecordKey({ tenant, kind, id: page.after });
    if (!page.after.startsWith(prefix)) {
      throw new TypeError(
        `a page after ${shown(page.after)} has no ids that begin with ${shown(prefix)}`,
      );
    }
  }
  if (!Number.isInteger(page.limit) || page.limit < 1 || page.limit > MAX_RECORDS) {
    throw new TypeError(`a page of ${page.limit} records of ${kind}; use 1 to ${MAX_RECORDS}`);
  }
}

/** The same for what a record is to hold; `encoded` is its value as it will lie in the store. */
export function checkRecordContent(kind: string, encoded: string, expiresAt: number | null): void {
  const bytes = new TextEncoder().encode(encoded).byteLength;
  if (bytes > MAX_RECORD_BYTES) {
    throw new TypeError(`a ${kind} takes ${bytes} bytes; use at most ${MAX_RECORD_BYTES}`);
  }
  if (expiresAt === null) return;
  if (!Number.isInteger(expiresAt) || expiresAt < 0 || expiresAt > MAX_TIME) {
    throw new TypeError(
      `a ${kind} expires at ${expiresAt}; use whole milliseconds since 1970, to the year 9999`,
    );
  }
}

function checkOwner(tenant: string, kind: string): void {
  if (!TENANT.test(tenant)) {
    throw new TypeError(`the tenant of a record is ${shown(tenant)}; use a UUID in lower case`);
  }
  if (!KIND.test(kind)) {
    throw new TypeError(
      `the kind of a record is ${shown(kind)}; use 1 to 32 of a-z, 0-9 and _, a letter first`,
    );
  }
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 64));
}
