import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { Json } from '#core/json.ts';
import { type PayloadCodec, PayloadUnreadable } from '#ports/payload-codec.ts';

/**
 * Payload columns hold `<key id>:<text>`. Key id `0` is plain JSON; any other is AES-256-GCM with
 * the tenant as associated data, so that a row moved to another tenant cannot be read there.
 */
const PLAIN = '0:';
const IV_BYTES = 12;
const TAG_BYTES = 16;

/** PostgreSQL's text holds neither NUL nor half a surrogate pair; JSON text can spell both. */
const UNSTORABLE = /\\u0000|\\ud[89a-f][0-9a-f]{2}/i;

/**
 * JSON text that any text column takes. JSON.stringify already escapes lone surrogates, and pairs
 * stay raw, so what is escaped here is exactly what cannot be stored: it becomes U+FFFD.
 */
export function storableJson(value: Json): string {
  const text = JSON.stringify(value);
  return UNSTORABLE.test(text) ? JSON.stringify(clean(value)) : text;
}

/** The value as it is read back from a payload column. */
export function asStored(value: Json): Json {
  return UNSTORABLE.test(JSON.stringify(value)) ? clean(value) : value;
}

/** The same for a bare text, such as a label or a name. */
export function storableText(text: string): string {
  return text.includes('\u0000')
    ? text.toWellFormed().replaceAll('\u0000', '\ufffd')
    : text.toWellFormed();
}

function clean(value: Json): Json {
  if (typeof value === 'string') return storableText(value);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(clean);
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [storableText(key), clean(member as Json)]),
  );
}

/** Readable columns: the default. Texts written under other keys are refused, not guessed. */
export function createPlainCodec(): PayloadCodec {
  return {
    encode: (value) => PLAIN + storableJson(value),
    decode(text) {
      if (!text.startsWith(PLAIN)) throw unknownKey(text);
      return JSON.parse(text.slice(PLAIN.length)) as Json;
    },
  };
}

export interface PayloadKey {
  /** Letters, digits, `_`, `-`; not `0`. */
  readonly id: string;
  /** 32 bytes. */
  readonly key: Uint8Array;
}

/** Writes with `current`, reads whatever was written plain or under `current` or `older` keys. */
export function createEncryptingCodec(
  current: PayloadKey,
  older: readonly PayloadKey[] = [],
): PayloadCodec {
  const keys = new Map<string, Uint8Array>();
  for (const { id, key } of [...older, current]) {
    if (!/^[A-Za-z0-9_-]{1,64}$/.test(id) || id === '0') {
      throw new TypeError(
        `payload key id '${id}' is not 1 to 64 letters, digits, _ or -, nor is 0 one`,
      );
    }
    if (key.length !== 32) throw new TypeError(`payload key ${id} has ${key.length} bytes; use 32`);
    keys.set(id, key);
  }
  return {
    encode(value, tenant) {
      const iv = randomBytes(IV_BYTES);
      const cipher = createCipheriv('aes-256-gcm', current.key, iv);
      cipher.setAAD(Buffer.from(tenant));
      const sealed = Buffer.concat([
        iv,
        cipher.update(storableJson(value), 'utf8'),
        cipher.final(),
        cipher.getAuthTag(),
      ]);
      return `${current.id}:${sealed.toString('base64')}`;
    },
    decode(text, tenant) {
      if (text.startsWith(PLAIN)) return JSON.parse(text.slice(PLAIN.length)) as Json;
      const at = text.indexOf(':');
      const id = text.slice(0, at);
      const key = keys.get(id);
      if (at < 1 || key === undefined) throw unknownKey(text);
      const sealed = Buffer.from(text.slice(at + 1), 'base64');
      try {
        const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, IV_BYTES));
        decipher.setAAD(Buffer.from(tenant));
        decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
        const body = sealed.subarray(IV_BYTES, sealed.length - TAG_BYTES);
        return JSON.parse(
          Buffer.concat([decipher.update(body), decipher.final()]).toString('utf8'),
        ) as Json;
      } catch (cause) {
        throw new PayloadUnreadable(id, `payload under key ${id} was altered`, { cause });
      }
    },
  };
}

function unknownKey(text: string): PayloadUnreadable {
  const id = /^([A-Za-z0-9_-]{1,64}):/.exec(text)?.[1] ?? '?';
  return new PayloadUnreadable(id, `payload key ${id} is not known here`);
}
