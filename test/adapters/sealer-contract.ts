import { inspect } from 'node:util';
import { beforeAll, expect, it } from 'vitest';
import { SealBroken, type Sealer } from '#ports/sealer.ts';

const SECRET = Buffer.from('canary-5b1f-é');

/** What every `Sealer` does. `make` answers two that share a key, and one with another. */
export function sealerContract(
  make: () => Promise<{ readonly one: Sealer; readonly same: Sealer; readonly other: Sealer }>,
): void {
  let sealers: Awaited<ReturnType<typeof make>>;
  beforeAll(async () => {
    sealers = await make();
  });

  it('opens what it sealed, also after a restart, and shows nothing of it before', async () => {
    const { one, same } = sealers;
    const sealed = await one.seal('signing-key:a', SECRET);
    expect(Buffer.from(sealed).includes('canary')).toBe(false);
    expect(Buffer.from(await same.open('signing-key:a', sealed)).equals(SECRET)).toBe(true);
  });

  it('seals the same thing differently each time', async () => {
    const [first, second] = await Promise.all([
      sealers.one.seal('a', SECRET),
      sealers.one.seal('a', SECRET),
    ]);
    expect(Buffer.from(first).equals(second)).toBe(false);
  });

  it('opens nothing that was sealed for something else, under another key, or was changed', async () => {
    const { one, other } = sealers;
    const sealed = await one.seal('signing-key:a', SECRET);
    const refused = async (sealer: Sealer, purpose: string, bytes: Uint8Array) => {
      const error = await sealer.open(purpose, bytes).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(SealBroken);
      expect((error as Error).message).toContain(purpose);
      expect(inspect(error)).not.toContain('canary');
    };
    await refused(one, 'signing-key:b', sealed);
    await refused(one, '', sealed);
    await refused(other, 'signing-key:a', sealed);
    for (const place of [0, 1, 13, sealed.byteLength - 1]) {
      const changed = Uint8Array.from(sealed);
      changed[place] = (changed[place] ?? 0) ^ 1;
      await refused(one, 'signing-key:a', changed);
    }
    await refused(one, 'signing-key:a', sealed.subarray(0, 20));
    await refused(one, 'signing-key:a', new Uint8Array(1));
  });

  it('seals 4,096 bytes and no more', async () => {
    const full = Buffer.alloc(4_096, 7);
    const sealed = await sealers.one.seal('a', full);
    expect(Buffer.from(await sealers.one.open('a', sealed)).equals(full)).toBe(true);
    await expect(sealers.one.seal('a', Buffer.alloc(4_097))).rejects.toThrow(
      '4097 bytes to seal; use at most 4096',
    );
  });
}
