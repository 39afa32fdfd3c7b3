/** Where a text stops being JSON, and what should stand there. */
export interface SyntaxProblem {
  readonly line: number;
  readonly column: number;
  readonly message: string;
  readonly allowed: string;
}

/**
 * Finds the first place where a text is not JSON; null when it is. The engine's own message has no
 * position for many mistakes and quotes the text around them, line ends included. Brackets are kept on
 * a list instead of the call stack, so that depth is no matter.
 */
export function findSyntaxProblem(text: string): SyntaxProblem | null {
  const open: ('{' | '[')[] = [];
  let at = 0;
  let expects: Expects = 'value';
  for (;;) {
    at = skipBlanks(text, at);
    const found = text[at];
    if (expects === 'nothing' && found === undefined) return null;
    const token = found === undefined ? null : tokenAt(text, at);
    if (token === null || !expected(expects).kinds.includes(token.kind)) {
      return problemAt(text, at, expects, open.at(-1));
    }
    if (token.bad !== null) return place(text, token.bad.at, token.bad.message, token.bad.allowed);
    at += token.length;
    if (token.kind === '{' || token.kind === '[') {
      open.push(token.kind);
      expects = token.kind === '{' ? 'first key' : 'first item';
    } else if (expects === 'first key' || expects === 'key') {
      if (token.kind === '}') expects = closed(open);
      else expects = 'colon';
    } else if (expects === 'colon') expects = 'value';
    else if (token.kind === ',') expects = open.at(-1) === '{' ? 'key' : 'value';
    else if (token.kind === '}' || token.kind === ']') {
      const fits = token.kind === '}' ? '{' : '[';
      if (open.at(-1) !== fits) {
        return place(
          text,
          at - 1,
          `'${token.kind}' closes what was opened with '${open.at(-1)}'`,
          open.at(-1) === '{' ? "',' or '}'" : "',' or ']'",
        );
      }
      expects = closed(open);
    } else expects = after(open);
  }
}

function closed(open: ('{' | '[')[]): 'more' | 'nothing' {
  open.pop();
  return after(open);
}

function after(open: readonly string[]): 'more' | 'nothing' {
  return open.length === 0 ? 'nothing' : 'more';
}

type Kind = '{' | '}' | '[' | ']' | ',' | ':' | 'string' | 'other';
const VALUES: readonly Kind[] = ['{', '[', 'string', 'other'];
const EXPECTED = {
  value: { kinds: VALUES, words: 'a value' },
  'first item': { kinds: [...VALUES, ']'], words: "a value or ']'" },
  'first key': { kinds: ['string', '}'], words: 'a key in double quotes' },
  key: { kinds: ['string'], words: 'a key in double quotes' },
  colon: { kinds: [':'], words: "':'" },
  more: { kinds: [',', '}', ']'], words: "','" },
  nothing: { kinds: [], words: 'the end' },
} satisfies {
  readonly [expects: string]: { readonly kinds: readonly Kind[]; readonly words: string };
};
type Expects = keyof typeof EXPECTED;

function expected(expects: Expects): { readonly kinds: readonly Kind[]; readonly words: string } {
  return EXPECTED[expects];
}

interface Token {
  readonly kind: Kind;
  readonly length: number;
  /** What is wrong inside it. */
  readonly bad: { readonly at: number; readonly message: string; readonly allowed: string } | null;
}

function tokenAt(text: string, at: number): Token | null {
  const first = text[at] ?? '';
  if ('{}[],:'.includes(first)) return { kind: first as Kind, length: 1, bad: null };
  if (first === '"') return stringAt(text, at);
  const word = /[-+.\w]+/y;
  word.lastIndex = at;
  const found = word.exec(text)?.[0];
  if (found === undefined) return null;
  if (/^(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?)$/.test(found)) {
    return { kind: 'other', length: found.length, bad: null };
  }
  const what = /^[-+.\d]/.test(found) ? 'not a number of JSON' : 'a word without quotes';
  return {
    kind: 'other',
    length: found.length,
    bad: {
      at,
      message: `'${found.slice(0, 40)}' is ${what}`,
      allowed: 'a text in double quotes, a number, true, false, null, an object or a list',
    },
  };
}

function stringAt(text: string, start: number): Token {
  const bad = (at: number, message: string, allowed: string): Token => ({
    kind: 'string',
    length: 0,
    bad: { at, message, allowed },
  });
  let at = start + 1;
  for (;;) {
    const code = text.charCodeAt(at);
    if (Number.isNaN(code) || code === 10 || code === 13) {
      return bad(start, 'this text has no end', "a closing '\"' on the same line");
    }
    if (code === 34) return { kind: 'string', length: at + 1 - start, bad: null };
    if (code < 32) return bad(at, 'a control character inside a text', 'an escape, such as \\t');
    if (code !== 92) at += 1;
    else if (/^(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/.test(text.slice(at + 1, at + 6))) at += 2;
    else return bad(at, 'a backslash that escapes nothing', '\\\\ for a backslash itself');
  }
}

function problemAt(
  text: string,
  at: number,
  expects: Expects,
  inside: '{' | '[' | undefined,
): SyntaxProblem {
  const found = text[at];
  const closer = inside === undefined ? '' : ` or '${inside === '{' ? '}' : ']'}'`;
  const words = expected(expects).words + (expects === 'more' ? closer : '');
  if (found === undefined) return place(text, at, 'the text ends here', words);
  if (text.startsWith('//', at) || text.startsWith('/*', at)) {
    return place(text, at, 'JSON has no comments', words);
  }
  if (found === "'") return place(text, at, 'single quotes', 'double quotes');
  if ((found === '}' || found === ']') && /,\s*$/.test(text.slice(Math.max(0, at - 200), at))) {
    return place(text, at, `a comma stands before '${found}'`, `no comma before '${found}'`);
  }
  const shown = String.fromCodePoint(text.codePointAt(at) ?? 0);
  return place(text, at, `'${shown}' is not expected here`, words);
}

/** The place of an offset, in words for people. */
export function place(
  text: string,
  offset: number,
  message: string,
  allowed: string,
): SyntaxProblem {
  const before = text.slice(0, offset);
  return {
    line: before.split('\n').length,
    column: offset - before.lastIndexOf('\n'),
    message,
    allowed,
  };
}

function skipBlanks(text: string, from: number): number {
  let at = from;
  // A byte order mark is no blank of JSON, and parsers refuse it.
  while (at < text.length && ' \t\r\n'.includes(text[at] ?? 'x')) at += 1;
  return at;
}
