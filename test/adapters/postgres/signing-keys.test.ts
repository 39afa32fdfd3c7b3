import { createPublicKey, verify } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { KMSClient } from '@aws-sdk/client-kms';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { createKmsSealer } from '#adapters/kms/sealer.ts';
import { openFileSealer } from '#adapters/local/file-sealer.ts';
import { createIds } from '#adapters/local/ids.ts';
import { OVERLAP_MS, rotateSigningKeys, SIGNS_MS } from '#adapters/postgres/rotate-signing-keys.ts';
import { createSigningKeys, thumbprint } from '#adapters/postgres/signing-keys.ts';
import { PLATFORM_TENANT } from '#core/audit-chain.ts';
import { createKeysService, KEYS } from '#local/aws-endpoint/keys-service.ts';
import { type AwsEndpoint, startAwsEndpoint } from '#local/aws-endpoint/server.ts';
import { createVirtualClock, type VirtualClock } from '#local/virtual-clock.ts';
import type { Sealer } from '#ports/sealer.ts';
import type { PublishedKey, SigningKey } from '#ports/signing-keys.ts';
import { clientConfig } from '#test/support/aws.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';

const START = Date.parse('2027-01-01T00:00:00Z');
const DAY = 86_400_000;
const BYTES = Buffer.from('header.payload');

let aws: AwsEndpoint;
let client: KMSClient;
const folder = mkdtempSync(join(tmpdir(), 'cloudflow-signing-'));
beforeAll(async () => {
  aws = await startAwsEndpoint({ [KEYS]: createKeysService() });
  client = new KMSClient(clientConfig(aws));
});
afterAll(async () => {
  client.destroy();
  await aws.close();
  rmSync(folder, { recursive: true });
});

const SEALERS: readonly (readonly [string, () => Promise<Sealer>])[] = [
  ['a key of KMS', async () => createKmsSealer({ client, keyId: 'alias/signing' })],
  ['a key in a file', () => openFileSealer(folder)],
];

/** As whoever receives a token does it, from the published part alone. */
async function accepts(keys: readonly PublishedKey[], key: SigningKey): Promise<boolean> {
  const found = keys.find(({ kid }) => kid === key.kid);
  if (found === undefined) return false;
  const { n, e } = found;
  const publicKey = createPublicKey({ key: { kty: 'RSA', n, e }, format: 'jwk' });
  return verify('RSA-SHA256', BYTES, publicKey, await key.sign(BYTES));
}

for (const [name, makeSealer] of SEALERS) {
  describeWithPostgres(`keys that sign tokens, sealed under ${name}`, () => {
    let database: TestDatabase;
    let clock: VirtualClock;
    let sealer: Sealer;
    beforeEach(async () => {
      database = await createTestDatabase();
      clock = createVirtualClock({ start: START });
      sealer = await makeSealer();
    });
    const keys = (over: { readonly sealer: Sealer | null } = { sealer }) =>
      createSigningKeys({ pool: database.pool('cloudflow_app'), clock, ...over });
    const rotate = (by = sealer) =>
      rotateSigningKeys(
        { pool: database.pool('cloudflow_relay'), sealer: by, ids: createIds() },
        clock.now(),
      );
    const kids = (published: readonly PublishedKey[]) => published.map(({ kid }) => kid);

    it('sign what the published part accepts, in every process', async () => {
      const early = keys();
      await expect(early.current()).rejects.toThrow('there is no key to sign with yet');
      const { made } = await rotate();
      const [one, two] = [await early.current(), await keys().current()];
      expect([one.kid, two.kid]).toEqual([made, made]);
      const published = await keys({ sealer: null }).published();
      expect(published).toEqual([{ kid: made, n: expect.any(String), e: 'AQAB' }]);
      expect(Buffer.from(published[0]!.n, 'base64url').byteLength).toBe(256);
      expect(thumbprint(published[0]!)).toBe(made);
      expect(await accepts(published, one)).toBe(true);
      expect(await accepts(published, two)).toBe(true);
      await expect(keys({ sealer: null }).current()).rejects.toThrow('signs none');
    });

    it('take turns: published 7 days before, signing for 30, published 7 days after', async () => {
      const all = keys();
      const first = (await rotate()).made;
      expect(await rotate()).toEqual({ made: null, deleted: 0 });
      await clock.advance(SIGNS_MS - OVERLAP_MS - 1);
      expect((await rotate()).made).toBeNull();
      await clock.advance(1);
      const second = (await rotate()).made;
      expect(second).not.toBeNull();
      // A list that was read before may still be in use; a minute later none is.
      await clock.advance(60_000);
      expect(kids(await all.published())).toEqual([second, first]);
      expect((await all.current()).kid).toBe(first);
      await clock.advance(OVERLAP_MS - 60_000 - 1);
      expect((await all.current()).kid).toBe(first);
      await clock.advance(1);
      expect((await all.current()).kid).toBe(second);
      expect(await rotate()).toEqual({ made: null, deleted: 0 });
      await clock.advance(OVERLAP_MS - 1);
      expect(await rotate()).toEqual({ made: null, deleted: 0 });
      expect(kids(await all.published())).toEqual([second, first]);
      await clock.advance(1);
      expect(await rotate()).toEqual({ made: null, deleted: 1 });
      await clock.advance(60_000);
      expect(kids(await all.published())).toEqual([second]);
      const { rows: told } = await database.admin.query<{ what: string }>(
        `select concat_ws(' ', entry::json -> 'facts' ->> 'actor', entry::json -> 'facts' ->> 'operation',
                          entry::json -> 'facts' ->> 'target') as what
         from audit_inbox where tenant_id = $1 order by n`,
        [PLATFORM_TENANT],
      );
      expect(told.map(({ what }) => what)).toEqual([
        `platform makeSigningKey signing-key:${first}`,
        `platform makeSigningKey signing-key:${second}`,
        `platform deleteSigningKey signing-key:${first}`,
      ]);
      expect(await accepts(await all.published(), await all.current())).toBe(true);
    });

    it('a rotation that failed for long breaks nothing, and what comes late is published first', async () => {
      const all = keys();
      const first = (await rotate()).made;
      await clock.advance(100 * DAY);
      expect((await all.current()).kid).toBe(first);
      const second = (await rotate()).made;
      expect((await rotate()).made).toBeNull();
      expect((await keys().current()).kid).toBe(first);
      await clock.advance(10 * 60_000);
      expect((await all.current()).kid).toBe(second);
      expect(kids(await all.published())).toEqual([second, first]);
    });

    it('a key that an operator takes away is replaced at once', async () => {
      await rotate();
      await database.admin.query('delete from signing_keys');
      const { made } = await rotate();
      expect((await keys().current()).kid).toBe(made);
    });

    it('are made once by many that rotate together', async () => {
      const made = await Promise.all(Array.from({ length: 4 }, () => rotate()));
      expect(made.filter((each) => each.made !== null)).toHaveLength(1);
      expect(await keys().published()).toHaveLength(1);
    });

    it('a key that is exchanged in the database is refused', async () => {
      await rotate();
      const { rows } = await database.admin.query('select * from signing_keys');
      await database.admin.query('update signing_keys set n = reverse(n)');
      await expect(keys().published()).rejects.toThrow('was changed');
      await expect(keys().current()).rejects.toThrow('was changed');
      // A whole key of another's making, with a private part that was not sealed for it.
      await database.admin.query('delete from signing_keys');
      await rotate();
      await database.admin.query('update signing_keys set sealed = $1', [rows[0].sealed]);
      await expect(keys().current()).rejects.toThrow('was changed');
    });

    it('no private part lies open or is printed', async () => {
      let der = Buffer.alloc(0);
      await rotate({
        ...sealer,
        seal: (purpose, plain) => {
          der = Buffer.from(plain);
          return sealer.seal(purpose, plain);
        },
      });
      expect(der.byteLength).toBeGreaterThan(1_000);
      const { rows } = await database.admin.query<{ sealed: Buffer }>(
        'select sealed from signing_keys',
      );
      const inside = der.subarray(400, 430);
      expect(rows[0]!.sealed.includes(inside)).toBe(false);
      const all = keys();
      const printed = inspect([all, await all.current(), await all.published()], { depth: 9 });
      const json = JSON.stringify([all, await all.current(), await all.published()]);
      for (const text of [printed, json]) {
        expect(text).not.toMatch(/PRIVATE|"d"|\bd:/);
        expect(text).not.toContain(inside.toString('base64').slice(4, -4));
      }
    });
  });
}
