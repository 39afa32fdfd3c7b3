import type { ProtocolKind } from '#core/identity-providers.ts';

/**
 * The cookie that holds a browser to the sign-in it began, against a sign-in that somebody else began
 * and lets it finish. `__Host-`: set by this host alone, over TLS, and by no neighbour of its domain.
 * One for each sign-in, so that two tabs do not end each other's.
 */
function nameOf(state: Uint8Array): string {
  return `__Host-cloudflow-sign-in-${Buffer.from(state).toString('hex').slice(0, 16)}`;
}

/** SAML answers by a form of another site, with which browsers send no other cookies. */
function attributesOf(kind: ProtocolKind): string {
  return `Path=/; Secure; HttpOnly; SameSite=${kind === 'saml' ? 'None' : 'Lax'}`;
}

/** `state`: its digest. */
export function browserCookie(
  state: Uint8Array,
  value: string,
  kind: ProtocolKind,
  goodMs: number,
): string {
  return `${nameOf(state)}=${value}; ${attributesOf(kind)}; Max-Age=${goodMs / 1_000}`;
}

export function forgetCookie(state: Uint8Array, kind: ProtocolKind): string {
  return `${nameOf(state)}=; ${attributesOf(kind)}; Max-Age=0`;
}

/** Its value among the cookies of a request; null: it is not there, or is there twice. */
export function cookieOf(state: Uint8Array, header: string | null): string | null {
  const name = nameOf(state);
  const values = (header ?? '')
    .split(/[;,]/)
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${name}=`))
    .map((pair) => pair.slice(name.length + 1));
  return values.length === 1 ? (values[0] ?? null) : null;
}
