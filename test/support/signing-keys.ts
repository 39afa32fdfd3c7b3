import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { thumbprint } from '#adapters/postgres/signing-keys.ts';
import type { PublishedKey, SigningKeys } from '#ports/signing-keys.ts';

/** Keys that a test makes and turns itself: the newest signs, and all that are left are published. */
export interface TestSigningKeys extends SigningKeys {
  rotate(): void;
  forgetOldest(): void;
  /** Of the key that signs now: for forging what only its owner could. */
  privateKey(): KeyObject;
}

export function createTestSigningKeys(): TestSigningKeys {
  const keys: { readonly published: PublishedKey; readonly privateKey: KeyObject }[] = [];
  const rotate = () => {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 });
    const { n = '', e = '' } = publicKey.export({ format: 'jwk' });
    keys.unshift({ published: { kid: thumbprint({ n, e }), n, e }, privateKey });
  };
  rotate();
  const current = () => {
    const [key] = keys;
    if (key === undefined) throw new TypeError('no key is left');
    return key;
  };
  return {
    current: () => {
      const { published, privateKey } = current();
      return Promise.resolve({
        kid: published.kid,
        sign: (bytes: Uint8Array) => Promise.resolve(sign('sha256', bytes, privateKey)),
      });
    },
    published: () => Promise.resolve(keys.map(({ published }) => published)),
    rotate,
    forgetOldest: () => void keys.pop(),
    privateKey: () => current().privateKey,
  };
}
