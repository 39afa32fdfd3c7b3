/**
 * Reads the statement of an operation as far as it must be read to keep values out of its text: finds
 * the placeholders, never inside strings, quoted names, comments or dollar quotes, and rewrites named
 * ones to `$1`, `$2`, ... It does not judge SQL beyond that: grants and the transaction do.
 */
export type Statement =
  | {
      readonly ok: true;
      /** With `$n` placeholders only. */
      readonly text: string;
      /** Names in the order of their numbers; null: the author wrote `$n` (or no placeholder). */
      readonly names: readonly string[] | null;
      /** How many values the text takes. */
      readonly count: number;
    }
  | { readonly ok: false; readonly message: string };

/**
 * What an operation may begin with. Anything else either leaves the transaction that holds the
 * effect and its marker together (COMMIT, PREPARE), changes the session that others of the same
 * connection get (SET, LISTEN), or moves files (COPY).
 */
const FIRST_WORDS = {
  read: ['select', 'with', 'values', 'table'],
  write: ['insert', 'update', 'delete', 'merge', 'select', 'with', 'call'],
} as const;

const MAX_PLACEHOLDERS = 64;

type Token =
  | { readonly kind: 'word'; readonly from: number; readonly to: number }
  | { readonly kind: 'named'; readonly from: number; readonly to: number }
  | { readonly kind: 'positional'; readonly from: number; readonly to: number }
  | { readonly kind: 'end'; readonly from: number; readonly to: number };

/** Placeholders of a statement and its text for the extended protocol, or what is wrong with it. */
export function readStatement(source: string, access: 'read' | 'write'): Statement {
  if (source.includes('\0')) return refuse('the statement holds a NUL character');
  const scanned = scan(source);
  if (typeof scanned === 'string') return refuse(scanned);

  const words = scanned.find((token) => token.kind === 'word');
  const first = words === undefined ? '' : source.slice(words.from, words.to).toLowerCase();
  const allowed: readonly string[] = FIRST_WORDS[access];
  if (!allowed.includes(first)) {
    return refuse(
      `a ${access} operation begins with ${allowed.join(', ')}, not with '${first.slice(0, 32)}'`,
    );
  }

  const end = scanned.find((token) => token.kind === 'end');
  if (end !== undefined && scanned.some((token) => token.from > end.from)) {
    return refuse('one statement only: nothing may follow the semicolon');
  }
  const body = end === undefined ? source : source.slice(0, end.from);
  const named = scanned.filter((token) => token.kind === 'named');
  const positional = scanned.filter((token) => token.kind === 'positional');
  if (named.length > 0 && positional.length > 0) {
    return refuse('placeholders are either :name or $1, not both');
  }
  if (named.length > 0) return rewriteNamed(body, named);

  const numbers = new Set(
    positional.map((token) => Number(source.slice(token.from + 1, token.to))),
  );
  const count = Math.max(0, ...numbers);
  if (count > MAX_PLACEHOLDERS) return refuse(`at most ${MAX_PLACEHOLDERS} placeholders`);
  if (numbers.has(0) || numbers.size !== count) {
    return refuse('placeholders are numbered from $1 without gaps');
  }
  return { ok: true, text: body, names: null, count };
}

function rewriteNamed(body: string, named: readonly Token[]): Statement {
  const names: string[] = [];
  let text = '';
  let at = 0;
  for (const token of named) {
    const name = body.slice(token.from + 1, token.to);
    let position = names.indexOf(name);
    if (position < 0) position = names.push(name) - 1;
    text += `${body.slice(at, token.from)}$${position + 1}`;
    at = token.to;
  }
  if (names.length > MAX_PLACEHOLDERS) return refuse(`at most ${MAX_PLACEHOLDERS} placeholders`);
  return { ok: true, text: text + body.slice(at), names, count: names.length };
}

function refuse(message: string): Statement {
  return { ok: false, message };
}

const WORD_START = /[A-Za-z_\u0080-\uffff]/;
const WORD_PART = /[A-Za-z0-9_$\u0080-\uffff]/;
const NAME_PART = /[A-Za-z0-9_]/;

/** Tokens that matter, in order; a text says what cannot be read. */
function scan(source: string): Token[] | string {
  const tokens: Token[] = [];
  let at = 0;
  while (at < source.length) {
    const char = source[at] as string;
    const next = source[at + 1] ?? '';
    if (char === '-' && next === '-') {
      const line = source.indexOf('\n', at);
      at = line < 0 ? source.length : line + 1;
    } else if (char === '/' && next === '*') {
      at = afterComment(source, at);
      if (at < 0) return 'a comment is not closed';
    } else if (char === "'" || char === '"') {
      at = afterQuoted(source, at, char, false);
      if (at < 0) return char === "'" ? 'a string is not closed' : 'a quoted name is not closed';
      tokens.push({ kind: 'word', from: at - 1, to: at });
    } else if (WORD_START.test(char)) {
      let to = at + 1;
      while (to < source.length && WORD_PART.test(source[to] as string)) to += 1;
      // E'...' reads backslashes; the other prefixes (B, X, N, U&) read as plain strings do.
      if (source[to] === "'" && to - at === 1 && (char === 'e' || char === 'E')) {
        const end = afterQuoted(source, to, "'", true);
        if (end < 0) return 'a string is not closed';
        to = end;
      }
      tokens.push({ kind: 'word', from: at, to });
      at = to;
    } else if (/[0-9]/.test(char)) {
      // A number may not run into a placeholder (`1:name`), and `1$1` is nothing we know.
      let to = at + 1;
      while (to < source.length && /[0-9A-Za-z_.]/.test(source[to] as string)) to += 1;
      at = to;
    } else if (char === '$') {
      if (/[0-9]/.test(next)) {
        let to = at + 1;
        while (to < source.length && /[0-9]/.test(source[to] as string)) to += 1;
        if (to - at > 6) return 'a placeholder number is too large';
        tokens.push({ kind: 'positional', from: at, to });
        at = to;
      } else {
        const tag = /^\$(?:[A-Za-z_\u0080-\uffff][A-Za-z0-9_\u0080-\uffff]*)?\$/.exec(
          source.slice(at, at + 130),
        )?.[0];
        if (tag === undefined) return 'a dollar sign begins neither a placeholder nor a string';
        const end = source.indexOf(tag, at + tag.length);
        if (end < 0) return 'a dollar-quoted string is not closed';
        at = end + tag.length;
        tokens.push({ kind: 'word', from: at - 1, to: at });
      }
    } else if (char === ':') {
      if (next === ':' || next === '=') {
        at += 2;
      } else if (/[A-Za-z_]/.test(next)) {
        let to = at + 2;
        while (to < source.length && NAME_PART.test(source[to] as string)) to += 1;
        tokens.push({ kind: 'named', from: at, to });
        at = to;
      } else {
        at += 1;
      }
    } else if (char === ';') {
      tokens.push({ kind: 'end', from: at, to: at + 1 });
      at += 1;
    } else {
      // Any other character is text; where it follows a semicolon it makes a second statement.
      if (!/\s/.test(char) && tokens.at(-1)?.kind === 'end') {
        return 'one statement only: nothing may follow the semicolon';
      }
      at += 1;
    }
  }
  return tokens;
}

/** Position after a string or quoted name that opens at `at`; -1 when it is not closed. */
function afterQuoted(source: string, at: number, quote: string, backslashes: boolean): number {
  for (let i = at + 1; i < source.length; i++) {
    if (backslashes && source[i] === '\\') i += 1;
    else if (source[i] === quote) {
      if (source[i + 1] !== quote) return i + 1;
      i += 1;
    }
  }
  return -1;
}

/** Comments nest in PostgreSQL. */
function afterComment(source: string, at: number): number {
  let depth = 0;
  for (let i = at; i < source.length - 1; i++) {
    const two = source.slice(i, i + 2);
    if (two === '/*') {
      depth += 1;
      i += 1;
    } else if (two === '*/') {
      depth -= 1;
      i += 1;
      if (depth === 0) return i + 1;
    }
  }
  return -1;
}
