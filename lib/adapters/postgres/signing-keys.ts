/**
 * Keys that sign tokens, private parts sealed, in PostgreSQL; opened once by each process that signs and
 * then held in its memory.
 *
 *  S1 the newest key whose time has come signs. One signs too long rather than none at all, so a
 *     rotation that failed for days breaks nothing.
 *  S2 a key is its public part: `kid` is the thumbprint of it, and the private part opens for that alone.
 *  S3 verifying needs no key to open anything with.
 */
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import type { Pool } from 'pg';
import type { Clock } from '#ports/clock.ts';
import type { Sealer } from '#ports/sealer.ts';
import type { PublishedKey, SigningKeys } from '#ports/signing-keys.ts';

/** How old a list may be: far less than a key is published before it signs. */
const LIST_KEPT_MS = 60_000;

interface Row extends PublishedKey {
  readonly sealed: Buffer;
  readonly signs_from: number;
}

/** `pool`: role `cloudflow_app`. `sealer`: null where tokens are verified and none is made. */
export function createSigningKeys(deps: {
  readonly pool: Pool;
  readonly clock: Clock;
  readonly sealer: Sealer | null;
}): SigningKeys {
  const { pool, clock, sealer } = deps;
  let list: { readonly readAt: number; readonly rows: Promise<readonly Row[]> } | null = null;
  const opened = new Map<string, Promise<KeyObject>>();

  async function read(): Promise<readonly Row[]> {
    const { rows } = await pool.query<Row>(
      'select kid, n, e, sealed, signs_from from signing_keys order by signs_from desc',
    );
    for (const row of rows) {
      if (thumbprint(row) !== row.kid) throw new Error(`signing key ${row.kid} was changed`);
    }
    for (const kid of opened.keys()) {
      if (!rows.some((row) => row.kid === kid)) opened.delete(kid);
    }
    return rows;
  }

  function rows(): Promise<readonly Row[]> {
    const now = clock.now();
    if (list === null || now >= list.readAt + LIST_KEPT_MS) {
      const reading = read();
      const fresh = { readAt: now, rows: reading };
      list = fresh;
      // An answer that nobody can use is asked for again.
      const forget = () => {
        if (list === fresh) list = null;
      };
      reading.then((found) => (found.length === 0 ? forget() : undefined), forget);
    }
    return list.rows;
  }

  function open({ kid, sealed }: Row): Promise<KeyObject> {
    let opening = opened.get(kid);
    if (opening === undefined) {
      opening = openPrivateKey(sealer, kid, sealed);
      opened.set(kid, opening);
      opening.catch(() => opened.delete(kid));
    }
    return opening;
  }

  return {
    async current() {
      const now = clock.now();
      const row = (await rows()).find(({ signs_from }) => signs_from <= now);
      if (row === undefined) throw new Error('there is no key to sign with yet; make the first');
      const key = await open(row);
      return {
        kid: row.kid,
        // Not on the pool of threads, where hashes of passwords may stand in front of it for seconds.
        sign: async (bytes) => sign('sha256', bytes, key),
      };
    },
    published: async () => (await rows()).map(({ kid, n, e }) => ({ kid, n, e })),
  };
}

async function openPrivateKey(
  sealer: Sealer | null,
  kid: string,
  sealed: Uint8Array,
): Promise<KeyObject> {
  if (sealer === null) throw new Error('this program verifies tokens and signs none');
  const der = Buffer.from(await sealer.open(purposeOf(kid), sealed));
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  der.fill(0);
  if (thumbprint(publicPartOf(key)) !== kid) throw new Error(`signing key ${kid} was changed`);
  return key;
}

/** What a private part is sealed for. */
export function purposeOf(kid: string): string {
  return `signing-key:${kid}`;
}

export function publicPartOf(key: KeyObject): { readonly n: string; readonly e: string } {
  const { n = '', e = '' } = createPublicKey(key).export({ format: 'jwk' });
  return { n, e };
}

/** RFC 7638: members in this order, without blanks. */
export function thumbprint({ n, e }: { readonly n: string; readonly e: string }): string {
  return createHash('sha256')
    .update(JSON.stringify({ e, kty: 'RSA', n }))
    .digest('base64url');
}
