import { CloudFlowError } from '#core/errors.ts';
import type { Json } from '#core/json.ts';

export interface JsonLimits {
  readonly maxDepth: number;
  /** Object members and array items of the whole document. */
  readonly maxMembers: number;
}

/**
 * Parses a request body without letting it hurt whoever reads it next: JSON.parse takes a million
 * levels, keeps the last of two equal keys, turns 1e400 into Infinity and passes on text that
 * Postgres refuses. So the text is scanned first, in one pass and without recursion, and JSON.parse
 * (which alone judges the grammar) sees only what passed.
 */
export function parseJsonBody(text: string, limits: JsonLimits): Json {
  try {
    scan(text, limits);
  } catch (cause) {
    throw cause instanceof Unfit ? malformed(cause.message, cause) : cause;
  }
  try {
    return JSON.parse(text) as Json;
  } catch (cause) {
    throw malformed(syntaxMessage(text, cause), cause);
  }
}

/** What JSON can spell and nobody takes: where it stands in a text that is JSON, and why. */
export function findUnfit(
  text: string,
): { readonly offset: number; readonly message: string } | null {
  try {
    scan(text, { maxDepth: Number.POSITIVE_INFINITY, maxMembers: Number.POSITIVE_INFINITY });
    return null;
  } catch (error) {
    if (!(error instanceof Unfit)) throw error;
    return { offset: error.offset, message: `${error.subject} ${error.why}` };
  }
}

/** Never leaves this module. */
class Unfit extends Error {
  readonly subject: string;
  readonly offset: number;
  readonly why: string;

  constructor(subject: string, offset: number, why: string, cause?: unknown) {
    super(`${subject} at offset ${offset} ${why}`, { cause });
    this.subject = subject;
    this.offset = offset;
    this.why = why;
  }
}

interface Open {
  /** Null for an array. */
  readonly keys: Set<string> | null;
  expectsKey: boolean;
}

function scan(text: string, limits: JsonLimits): void {
  const stack: Open[] = [];
  let members = 0;
  const count = () => {
    members += 1;
    if (members > limits.maxMembers) {
      throw new CloudFlowError(
        'PAYLOAD_TOO_LARGE',
        `the body has more than ${limits.maxMembers} members and items`,
      );
    }
  };
  let at = 0;
  while (at < text.length) {
    const unit = text.charCodeAt(at);
    const open = stack.at(-1);
    if (unit === QUOTE) {
      const end = endOfString(text, at);
      if (end === -1) throw new Unfit('a string that begins', at, 'never ends');
      const isKey = open?.expectsKey === true;
      checkString(text, at, end, isKey ? (open?.keys ?? null) : null);
      if (isKey && open !== undefined) open.expectsKey = false;
      at = end + 1;
      continue;
    }
    if (unit === MINUS || (unit >= ZERO && unit <= NINE)) {
      at = checkNumber(text, at);
      continue;
    }
    if (unit === OPEN_OBJECT || unit === OPEN_ARRAY) {
      if (stack.length >= limits.maxDepth) {
        throw new CloudFlowError(
          'PAYLOAD_TOO_DEEP',
          `the body nests deeper than ${limits.maxDepth} levels`,
        );
      }
      const isObject = unit === OPEN_OBJECT;
      stack.push({ keys: isObject ? new Set() : null, expectsKey: isObject });
      count();
    } else if (unit === CLOSE_OBJECT || unit === CLOSE_ARRAY) {
      stack.pop();
    } else if (unit === COMMA) {
      count();
      if (open !== undefined && open.keys !== null) open.expectsKey = true;
    }
    at += 1;
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const MINUS = 0x2d;
const ZERO = 0x30;
const NINE = 0x39;
const COMMA = 0x2c;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;

/** Offset of the closing quote, or -1. Jumps with indexOf: long strings cost one native search. */
function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  while (end !== -1) {
    let slashes = 0;
    while (text.charCodeAt(end - 1 - slashes) === BACKSLASH) slashes += 1;
    if (slashes % 2 === 0) return end;
    end = text.indexOf('"', end + 1);
  }
  return -1;
}

function checkString(text: string, start: number, end: number, keys: Set<string> | null): void {
  let value = text.slice(start + 1, end);
  if (value.includes('\\')) {
    try {
      value = JSON.parse(`"${value}"`) as string;
    } catch (cause) {
      throw new Unfit('the string', start, 'has a broken escape', cause);
    }
    if (value.includes('\u0000')) {
      throw new Unfit('the string', start, 'holds U+0000, which cannot be stored');
    }
  }
  // Raw lone surrogates cannot come from UTF-8, but a caller may hand over any text.
  if (!value.isWellFormed()) {
    throw new Unfit('the string', start, 'holds half of a surrogate pair');
  }
  if (keys === null) return;
  if (value === '__proto__') throw new Unfit("the key '__proto__'", start, 'is refused');
  if (keys.has(value)) {
    throw new Unfit(`the key '${value.slice(0, 64)}'`, start, 'appears twice in one object');
  }
  keys.add(value);
}

const NUMBER = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y;

/** Offset after the number. What is no JSON number is left for JSON.parse to name. */
function checkNumber(text: string, start: number): number {
  NUMBER.lastIndex = start;
  const token = NUMBER.exec(text)?.[0];
  if (token === undefined) return start + 1;
  if (Math.abs(Number(token)) > Number.MAX_SAFE_INTEGER) {
    throw new Unfit(
      `the number ${token.slice(0, 32)}`,
      start,
      `is beyond what JSON numbers hold exactly; use -${Number.MAX_SAFE_INTEGER} to ${Number.MAX_SAFE_INTEGER}, or a string`,
    );
  }
  return start + token.length;
}

function malformed(message: string, cause?: unknown): CloudFlowError {
  return new CloudFlowError('REQUEST_MALFORMED', message, { cause });
}

/** V8 quotes the document in its message; what is shown is only where it went wrong. */
function syntaxMessage(text: string, cause: unknown): string {
  if (text.trim() === '') return 'the body is empty; send a JSON document';
  const position = cause instanceof Error ? /position (\d+)/.exec(cause.message)?.[1] : undefined;
  return position === undefined
    ? 'the body is not valid JSON'
    : `the body is not valid JSON at offset ${position}`;
}
