/**
 * Seals what is kept where other programs can write: whoever can write to the cache can make it useless,
 * and nothing else. A value is of one key and one revision of one tenant, and opens as nothing else; it is
 * unreadable besides.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';

export interface ValueSeal {
  seal(of: SealedFor, text: string): string;
  /** Null: it is not what was sealed for this. */
  open(of: SealedFor, sealed: string): string | null;
}

export interface SealedFor {
  readonly tenant: string;
  readonly key: string;
  readonly revision: number;
}

/** Newest first; what any of them sealed can be opened. */
export interface SealKeys {
  now(): Uint8Array;
  all(): readonly Uint8Array[];
}

const CIPHER = 'aes-256-gcm';
const IV_BYTES = 12;
const TAG_BYTES = 16;
const KEY_BYTES = 32;
const KNOWN_KEYS = 2_000;

export function createValueSeal(keys: SealKeys): ValueSeal {
  const known = new LRUCache<string, Uint8Array>({ max: KNOWN_KEYS });

  /** One for each tenant, so that no key ever seals more than one may. */
  function keyFor(tenant: string, from: Uint8Array): Uint8Array {
    const name = `${tenant} ${Buffer.from(from).toString('base64')}`;
    let key = known.get(name);
    if (key === undefined) {
      const info = `cloudflow cached values of ${tenant}`;
      key = new Uint8Array(hkdfSync('sha256', from, '', info, KEY_BYTES));
      known.set(name, key);
    }
    return key;
  }

  return {
    seal(of, text) {
      const iv = randomBytes(IV_BYTES);
      const cipher = createCipheriv(CIPHER, keyFor(of.tenant, keys.now()), iv);
      cipher.setAAD(about(of));
      const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
      return Buffer.concat([iv, cipher.getAuthTag(), body]).toString('base64');
    },
    open(of, sealed) {
      const bytes = Buffer.from(sealed, 'base64');
      if (bytes.length < IV_BYTES + TAG_BYTES) return null;
      const [iv, tag] = [
        bytes.subarray(0, IV_BYTES),
        bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES),
      ];
      for (const from of keys.all()) {
        const decipher = createDecipheriv(CIPHER, keyFor(of.tenant, from), iv);
        decipher.setAAD(about(of));
        decipher.setAuthTag(tag);
        try {
          const body = bytes.subarray(IV_BYTES + TAG_BYTES);
          return Buffer.concat([decipher.update(body), decipher.final()]).toString('utf8');
        } catch {
          // Of another key, or of nobody.
        }
      }
      return null;
    },
  };
}

function about({ key, revision }: SealedFor): Buffer {
  return Buffer.from(`${key} ${revision}`);
}
