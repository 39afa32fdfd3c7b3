import { generateKeyPair } from 'node:crypto';
import { promisify } from 'node:util';
import type { Pool, PoolClient } from 'pg';
import type { Ids } from '#ports/ids.ts';
import type { Sealer } from '#ports/sealer.ts';
import { tellDoing } from './audit-doings.ts';
import { withTransaction } from './pool.ts';
import { seconds } from './rows.ts';
import { publicPartOf, purposeOf, thumbprint } from './signing-keys.ts';

const DAY_MS = 86_400_000;
/** A key signs for this long, until the next one takes over. */
export const SIGNS_MS = 30 * DAY_MS;
/** It is published for this long before and after. */
export const OVERLAP_MS = 7 * DAY_MS;
/** Where the next key comes too late for that: long enough for every list that is kept to be read anew. */
const LEAST_AHEAD_MS = 10 * 60_000;
const MODULUS_BITS = 2_048;

export interface Rotation {
  /** Null: none was due. */
  readonly made: string | null;
  readonly deleted: number;
}

/**
 * Makes the next key when it is due, and deletes keys whose last tokens have long expired. May be repeated
 * and run by many at once. `pool`: role `cloudflow_relay`.
 */
export async function rotateSigningKeys(
  deps: { readonly pool: Pool; readonly sealer: Sealer; readonly ids: Pick<Ids, 'next'> },
  now: number,
): Promise<Rotation> {
  const { pool, sealer, ids } = deps;
  const deleted = await withTransaction(pool, async (client) => {
    const { rows } = await client.query<{ kid: string }>(
      `delete from signing_keys where kid in (
         select kid from (
           select kid, lead(signs_from) over (order by signs_from) as until from signing_keys) keys
         where until <= to_timestamp($1))
       returning kid`,
      [seconds(now - OVERLAP_MS)],
    );
    for (const { kid } of rows) {
      await tellDoing(client, ids, { operation: 'deleteSigningKey', target: keyOf(kid), at: now });
    }
    return rows.length;
  });
  if ((await nextFrom(pool, now)) === null) return { made: null, deleted };

  // Outside of the transaction: no session may wait for it.
  const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: MODULUS_BITS });
  const { n, e } = publicPartOf(privateKey);
  const kid = thumbprint({ n, e });
  const der = privateKey.export({ format: 'der', type: 'pkcs8' });
  const sealed = Buffer.from(await sealer.seal(purposeOf(kid), der));
  // One that nobody could open would stop all sign-ins on the day it takes over.
  const reopened = await sealer.open(purposeOf(kid), sealed);
  if (!der.equals(reopened)) throw new Error(`signing key ${kid} opens as something else`);
  der.fill(0);
  const made = await withTransaction(pool, async (client) => {
    // Of many that found it due the first makes it, and the others look again.
    await client.query('lock table signing_keys in exclusive mode');
    const from = await nextFrom(client, now);
    if (from === null) return null;
    await client.query(
      `insert into signing_keys (kid, n, e, sealed, created_at, signs_from)
       values ($1, $2, $3, $4, to_timestamp($5), to_timestamp($6))`,
      [kid, n, e, sealed, seconds(now), seconds(from)],
    );
    const details = { signs_from: new Date(from).toISOString() };
    await tellDoing(client, ids, {
      ...{ operation: 'makeSigningKey', target: keyOf(kid), details, at: now },
    });
    return kid;
  });
  return { made, deleted };
}

const keyOf = (kid: string): string => `signing-key:${kid}`;

/** When the key signs that is due to be made now; null when none is. */
async function nextFrom(client: Pool | PoolClient, now: number): Promise<number | null> {
  const { rows } = await client.query<{ newest: number | null; signing: boolean | null }>(
    `select max(signs_from) as newest, bool_or(signs_from <= to_timestamp($1)) as signing
     from signing_keys`,
    [seconds(now)],
  );
  const { newest, signing } = rows[0] ?? { newest: null, signing: null };
  // Nothing was ever signed, or an operator took away what signed: nobody can be surprised.
  if (newest === null || signing !== true) return now;
  const wanted = newest + SIGNS_MS;
  return wanted - OVERLAP_MS > now ? null : Math.max(wanted, now + LEAST_AHEAD_MS);
}
