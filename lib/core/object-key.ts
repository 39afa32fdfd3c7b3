/**
 * What names an object of the platform (`ObjectStore` in lib/ports): a tenant and a path below it. The
 * checks are shared, so that a path means the same in a bucket and in a folder, on every file system.
 */
export interface ObjectKey {
  /** A UUID. */
  readonly tenant: string;
  /** Parts with slashes between them: `executions/2026-11/0190….json.gz`. */
  readonly path: string;
}

export interface ObjectRange {
  readonly tenant: string;
  /** What paths begin with, to any letter; empty: all of the tenant. */
  readonly prefix: string;
}

export interface ObjectPage {
  /** 1 to `MAX_OBJECTS`. */
  readonly limit: number;
  /** The last path of the page before; null: the first page. */
  readonly after: string | null;
}

export const MAX_OBJECTS = 1_000;

const TENANT = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/;
/** Lower case alone, for there are file systems that do not tell it from upper case. */
const PART = /^(?!\.{1,2}$)[a-z0-9_=.-]{1,128}$/;
const PREFIX = /^[a-z0-9_=./-]*$/;
const MAX_PATH = 512;

/** Throws a TypeError that says what cannot be named so. */
export function checkObjectKey({ tenant, path }: ObjectKey): void {
  checkTenant(tenant);
  if (path.length > MAX_PATH || !path.split('/').every((part) => PART.test(part))) {
    throw new TypeError(
      `the path of an object is ${shown(path)}; use parts of 1 to 128 of a-z, 0-9, _, =, . and -, slashes between them, at most ${MAX_PATH} in all`,
    );
  }
}

/** The same for a page of a range. */
export function checkObjectRange({ tenant, prefix }: ObjectRange, page: ObjectPage): void {
  checkTenant(tenant);
  if (prefix.length > MAX_PATH || !PREFIX.test(prefix)) {
    throw new TypeError(`a prefix of paths is ${shown(prefix)}; use the beginning of a path`);
  }
  if (page.after !== null) {
    checkObjectKey({ tenant, path: page.after });
    if (!page.after.startsWith(prefix)) {
      throw new TypeError(
        `a page after ${shown(page.after)} has no paths that begin with ${shown(prefix)}`,
      );
    }
  }
  if (!Number.isInteger(page.limit) || page.limit < 1 || page.limit > MAX_OBJECTS) {
    throw new TypeError(`a page of ${page.limit} objects; use 1 to ${MAX_OBJECTS}`);
  }
}

function checkTenant(tenant: string): void {
  if (!TENANT.test(tenant)) {
    throw new TypeError(`the tenant of an object is ${shown(tenant)}; use a UUID in lower case`);
  }
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 64));
}
