import { createCipheriv, createDecipheriv, createHmac, hkdfSync } from 'node:crypto';

/**
 * What identity derives from the one secret of the installation: each use has a key of its own (HKDF), so
 * that a value made for one means nothing to another.
 */
export interface IdentityKey {
  /** A keyed hash: whoever has the database alone can neither make nor guess one. */
  mac(use: MacUse, text: string): Buffer;
  /** AES-256-GCM; `bound` (whose it is) must be the same to open it. */
  seal(plain: Uint8Array, bound: string, nonce: Uint8Array): Buffer;
  open(sealed: Uint8Array, bound: string): Buffer;
}

export type MacUse = 'refresh' | 'recovery' | 'guess' | 'client';

export const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KEY_BYTES = 32;

/** `secret`: at least 32 random bytes, the same in every process. */
export function createIdentityKey(secret: Uint8Array): IdentityKey {
  if (secret.length < KEY_BYTES) throw new TypeError('the identity key has fewer than 32 bytes');
  const derive = (use: string) =>
    Buffer.from(hkdfSync('sha256', secret, '', `cloudflow identity ${use}`, KEY_BYTES));
  const keys: { readonly [Use in MacUse]: Buffer } = {
    refresh: derive('refresh'),
    recovery: derive('recovery'),
    guess: derive('guess'),
    client: derive('client'),
  };
  const sealing = derive('seal');
  return {
    mac: (use, text) => createHmac('sha256', keys[use]).update(text).digest(),
    seal(plain, bound, nonce) {
      const cipher = createCipheriv('aes-256-gcm', sealing, nonce);
      cipher.setAAD(Buffer.from(bound));
      const body = Buffer.concat([cipher.update(plain), cipher.final()]);
      return Buffer.concat([nonce, cipher.getAuthTag(), body]);
    },
    open(sealed, bound) {
      const bytes = Buffer.from(sealed);
      const body = bytes.subarray(NONCE_BYTES + TAG_BYTES);
      const decipher = createDecipheriv('aes-256-gcm', sealing, bytes.subarray(0, NONCE_BYTES));
      decipher.setAAD(Buffer.from(bound));
      decipher.setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
      return Buffer.concat([decipher.update(body), decipher.final()]);
    },
  };
}
