import { createHash, timingSafeEqual } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { API_KEY } from '#contract/credential.ts';
import type { Mode } from '#ports/execution-store.ts';

/**
 * The text of an API key: `cfk_live_` or `cfk_test_`, then 32 characters of base62:
 *
 *     8 key id · 18 secret (107 random bits) · 6 CRC-32 of everything before
 *
 * The checksum lets junk be refused without a query (and a scanner recognise a leaked key); the key
 * id finds the row; the digest of the whole proves it.
 */
const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const PATTERN = new RegExp(`^${API_KEY}$`);
const RANDOM_CHARACTERS = 26;

export interface ApiKeyText {
  readonly text: string;
  readonly keyId: string;
  readonly mode: Mode;
  /** SHA-256 of the text. */
  readonly digest: Uint8Array;
}

/** Null: not a key of ours, or mistyped. */
export function parseApiKey(text: string): ApiKeyText | null {
  const match = PATTERN.exec(text);
  if (match === null) return null;
  const [, mode, keyId, check] = match as unknown as [string, Mode, string, string];
  if (checksum(text.slice(0, -6)) !== check) return null;
  return { text, keyId, mode, digest: digestOf(text) };
}

/** `randomBytes` is the operating system's source; tests may give another. */
export function makeApiKey(mode: Mode, randomBytes: (count: number) => Uint8Array): ApiKeyText {
  let random = '';
  while (random.length < RANDOM_CHARACTERS) {
    for (const byte of randomBytes(RANDOM_CHARACTERS)) {
      // 248 is the largest multiple of 62 in a byte: beyond it some characters would be likelier.
      if (byte < 248 && random.length < RANDOM_CHARACTERS) random += ALPHABET[byte % 62];
    }
  }
  const head = `cfk_${mode}_${random}`;
  const text = head + checksum(head);
  return { text, keyId: random.slice(0, 8), mode, digest: digestOf(text) };
}

export function sameDigest(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

function digestOf(text: string): Uint8Array {
  return createHash('sha256').update(text).digest();
}

/** CRC-32 in base62, 6 digits: 62^6 is more than 2^32. */
function checksum(text: string): string {
  let value = crc32(text);
  let digits = '';
  for (let i = 0; i < 6; i++) {
    digits = ALPHABET.charAt(value % 62) + digits;
    value = Math.floor(value / 62);
  }
  return digits;
}
