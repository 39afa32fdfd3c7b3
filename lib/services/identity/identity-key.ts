import { createCipheriv, createDecipheriv, createHmac, hkdfSync } from 'node:crypto';
import type { Keys } from '../shared/key-ring.ts';

/**
 * What identity derives from the secret of the installation: each use has a key of its own (HKDF), so
 * that a value made for one means nothing to another. The secret is turned while people are signed in:
 *
 *  I1 what was sealed under an earlier key is opened as long as that key is in the ring;
 *  I2 a hash that is made again to be compared is made under the key of the time when it was first made,
 *     or, where nobody knows when, under each.
 */
export interface IdentityKey {
  /** A keyed hash: whoever has the database alone can neither make nor guess one. `at`: default now. */
  mac(use: MacUse, text: string, at?: number): Buffer;
  /** The same under every key, the newest first: for what was kept at an unknown time. */
  macs(use: MacUse, text: string): readonly Buffer[];
  /** AES-256-GCM; `bound` (whose it is) must be the same to open it. */
  seal(plain: Uint8Array, bound: string, nonce: Uint8Array): Buffer;
  /** Throws when no key of the ring sealed it for that. */
  open(sealed: Uint8Array, bound: string): Buffer;
}

export type MacUse = 'refresh' | 'recovery' | 'guess' | 'client';

export const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KEY_BYTES = 32;

/** `keys`: the same in every process. */
export function createIdentityKey(keys: Keys): IdentityKey {
  // Of as many keys as the ring holds; they are few and stay.
  const derived = new Map<string, Buffer>();
  const derive = (secret: Uint8Array, use: MacUse | 'seal'): Buffer => {
    const name = `${use} ${Buffer.from(secret).toString('base64')}`;
    const known = derived.get(name);
    if (known !== undefined) return known;
    const key = Buffer.from(hkdfSync('sha256', secret, '', `cloudflow identity ${use}`, KEY_BYTES));
    derived.set(name, key);
    return key;
  };
  const macUnder = (secret: Uint8Array, use: MacUse, text: string): Buffer =>
    createHmac('sha256', derive(secret, use)).update(text).digest();
  return {
    mac: (use, text, at) => macUnder(at === undefined ? keys.now() : keys.at(at), use, text),
    macs: (use, text) => keys.all().map((secret) => macUnder(secret, use, text)),
    seal(plain, bound, nonce) {
      const cipher = createCipheriv('aes-256-gcm', derive(keys.now(), 'seal'), nonce);
      cipher.setAAD(Buffer.from(bound));
      const body = Buffer.concat([cipher.update(plain), cipher.final()]);
      return Buffer.concat([nonce, cipher.getAuthTag(), body]);
    },
    open(sealed, bound) {
      let refusal: unknown = new TypeError('the ring has no key');
      for (const secret of keys.all()) {
        try {
          return openUnder(derive(secret, 'seal'), sealed, bound);
        } catch (error) {
          refusal = error;
        }
      }
      throw refusal;
    },
  };
}

function openUnder(key: Uint8Array, sealed: Uint8Array, bound: string): Buffer {
  const bytes = Buffer.from(sealed);
  const body = bytes.subarray(NONCE_BYTES + TAG_BYTES);
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE_BYTES));
  decipher.setAAD(Buffer.from(bound));
  decipher.setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
  return Buffer.concat([decipher.update(body), decipher.final()]);
}
