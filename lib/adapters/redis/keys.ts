import type { CacheKind, CacheName } from '#ports/cache.ts';

const TENANT = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * The key of a name: tenant, kind and format, then its parts. What a tenant has chosen is escaped: no part
 * holds the sign that parts are told apart by, one that a pattern would understand, or braces, which would
 * choose the node of a cluster.
 */
export function keyOf(kind: Pick<CacheKind, 'name' | 'format'>, name: CacheName): string {
  if (!TENANT.test(name.tenant)) throw new TypeError('a key begins with the id of a tenant');
  if (name.parts.length === 0) throw new TypeError('a key has at least one part');
  return [name.tenant, kind.name, String(kind.format), ...name.parts.map(escaped)].join(':');
}

/** Of all keys that have more parts than these, as SCAN understands it. */
export function patternUnder(kind: Pick<CacheKind, 'name' | 'format'>, name: CacheName): string {
  return `${keyOf(kind, name)}:*`;
}

function escaped(part: string): string {
  return encodeURIComponent(part.toWellFormed()).replace(
    /[!'()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
