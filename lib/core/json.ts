/** Any JSON value. Objects are plain; no value is `undefined`. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json };

export type JsonObject = { readonly [key: string]: Json };

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * The one text of a value: keys sorted by UTF-16 code unit, no blanks. Used wherever bytes are
 * counted, hashed or compared, so that key order never matters (rule 13 of docs/language.md).
 */
export function canonicalJson(value: Json): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  const object = value as JsonObject;
  const members = Object.keys(object)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonicalJson(object[key] as Json)}`);
  return `{${members.join(',')}}`;
}

/** Bytes of a text in UTF-8, without building the bytes. */
export function utf8Length(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    if (unit < 0x800) bytes += 1;
    else if (unit >= 0xd800 && unit <= 0xdbff && isLowSurrogate(text.charCodeAt(i + 1))) {
      bytes += 2; // a pair is two units and four bytes
      i += 1;
    } else bytes += 2; // also a lone surrogate, written as U+FFFD
  }
  return bytes;
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}

/** Size of a value as canonical JSON in UTF-8 bytes: what every size budget counts. */
export function jsonBytes(value: Json): number {
  return utf8Length(canonicalJson(value));
}

/** Escapes one reference token and appends it to a JSON Pointer (RFC 6901). */
export function pointerTo(base: string, ...tokens: readonly (string | number)[]): string {
  let pointer = base;
  for (const token of tokens) {
    pointer += `/${String(token).replaceAll('~', '~0').replaceAll('/', '~1')}`;
  }
  return pointer;
}
