/**
 * Reads an expression token by token before jsonata parses it.
 *
 * Why at all: jsonata's parser copies the left side of `?:` and `??`, so 60 nested ones take 2^60
 * steps, and it compiles every regex literal. Both are refused here, before it sees them.
 *
 * S1 Tokens are cut exactly where jsonata 2.2.2 cuts them, or the source is refused. jsonata decides
 *    by its parser's state whether `/` starts a regex; wherever that state cannot be told from the
 *    tokens (after `}`, `[]`, `^( )`, `and`, `or`, `in`), a `/` is refused rather than guessed.
 */

export interface ScanProblem {
  readonly kind: 'default_operator' | 'regex' | 'parent' | 'nesting' | 'signature' | 'path';
  /** Offset in the source, from 0. */
  readonly position: number;
  readonly text: string;
}

export interface ScanOptions {
  /** Regex literals pass (the Step Functions dialect runs them on a linear-time engine). */
  readonly regex: boolean;
  readonly nesting: number;
}

const BLANKS = ' \t\n\r\v';
const OPERATORS = '.[]{}(),@#;:?+-*/%|=<>^&!~';
const PAIRS = ['..', ':=', '!=', '>=', '<=', '**', '~>', '?:', '??'];
/** A lambda's signature; without `+`, whose checking takes exponential time in jsonata. */
const SIGNATURE = /<[a-z()<>:?\-\s]*>/y;
const NUMBER = /-?(0|([1-9][0-9]*))(\.[0-9]+)?([Ee][-+]?[0-9]+)?/y;

/** Steps of one path: jsonata's parser takes time with their square. */
const MAX_STEPS = 100;

/** What stands before a token: something complete, something that wants an operand, or unclear. */
type Before = 'operand' | 'operator' | 'brace' | 'unclear';

/** The first thing that jsonata must not be given, or null. */
export function scanSource(source: string, options: ScanOptions): ScanProblem | null {
  /** Steps of the path being read, and operators since the last operand. */
  let steps = 0;
  let operators = 0;
  const open: {
    readonly sort: boolean;
    readonly lambda: boolean;
    readonly steps: number;
    empty: boolean;
  }[] = [];
  let before: Before = 'operator';
  /** The operator or name just before. */
  let last = '';
  let at = 0;

  while (at < source.length) {
    const char = source.charAt(at);
    if (BLANKS.includes(char)) {
      at += 1;
      continue;
    }
    if (char === '/' && source.charAt(at + 1) === '*') {
      const end = source.indexOf('*/', at + 2);
      if (end < 0) return null; // jsonata says so better
      at = end + 2;
      continue;
    }
    const top = open.at(-1);
    const closing = char === ')' || char === ']' || char === '}';
    if (top !== undefined && !closing) top.empty = false;

    const pair = source.slice(at, at + 2);
    if (pair === '?:' || pair === '??') {
      return { kind: 'default_operator', position: at, text: pair };
    }
    if (char === '/' && before !== 'operand') {
      if (before !== 'operator' || !options.regex) {
        return { kind: 'regex', position: at, text: source.slice(at, at + 20) };
      }
      const end = endOfRegex(source, at + 1);
      if (end < 0) return null;
      at = end;
      before = 'operand';
      last = '';
      continue;
    }
    if (char === '%' && before === 'operator') return { kind: 'parent', position: at, text: '%' };

    if (PAIRS.includes(pair)) {
      at += 2;
      before = 'operator';
      last = pair;
      continue;
    }
    if (OPERATORS.includes(char)) {
      at += 1;
      if (char === '(' || char === '[' || char === '{') {
        const lambda = char === '(' && (last === 'function' || last === 'λ');
        open.push({ sort: char === '(' && last === '^', lambda, steps, empty: true });
        steps = 0;
        if (open.length > options.nesting) {
          return { kind: 'nesting', position: at - 1, text: char };
        }
        before = 'operator';
      } else if (closing) {
        const opened = open.pop();
        steps = opened?.steps ?? 0;
        if (char === '}') before = 'brace';
        else if (opened?.sort === true || (char === ']' && opened?.empty === true))
          before = 'unclear';
        else before = 'operand';
        if (opened?.lambda === true) {
          while (BLANKS.includes(source.charAt(at)) && at < source.length) at += 1;
          if (source.charAt(at) === '<') {
            SIGNATURE.lastIndex = at;
            const signature = SIGNATURE.exec(source);
            if (signature === null) {
              return { kind: 'signature', position: at, text: source.slice(at, at + 20) };
            }
            at += signature[0].length;
          }
        }
      } else {
        before = 'operator';
        steps = char === '.' ? steps + 1 : 0;
        if (steps > MAX_STEPS) return { kind: 'path', position: at - 1, text: char };
        operators += 1;
        if (operators > options.nesting) return { kind: 'nesting', position: at - 1, text: char };
      }
      last = char;
      continue;
    }
    last = '';
    operators = 0;
    if (char === '"' || char === "'") {
      at += 1;
      while (at < source.length && source.charAt(at) !== char) {
        at += source.charAt(at) === '\\' ? 2 : 1;
      }
      at += 1;
      before = 'operand';
      continue;
    }
    NUMBER.lastIndex = at;
    const number = NUMBER.exec(source);
    if (number !== null) {
      at += number[0].length;
      before = 'operand';
      continue;
    }
    if (char === '`') {
      const end = source.indexOf('`', at + 1);
      if (end < 0) return null;
      at = end + 1;
      before = 'operand';
      continue;
    }
    const start = at;
    while (
      at < source.length &&
      !BLANKS.includes(source.charAt(at)) &&
      !OPERATORS.includes(source.charAt(at))
    ) {
      at += 1;
    }
    const name = source.slice(start, at);
    last = name;
    before = name === 'and' || name === 'or' || name === 'in' ? 'unclear' : 'operand';
  }
  return null;
}

/** Position after a regex literal and its flags, as jsonata finds it; -1 when it does not end. */
function endOfRegex(source: string, start: number): number {
  let depth = 0;
  for (let at = start; at < source.length; at++) {
    const char = source.charAt(at);
    if (char === '/' && depth === 0) {
      let slashes = 0;
      while (source.charAt(at - (slashes + 1)) === '\\') slashes += 1;
      if (slashes % 2 === 0) {
        let end = at + 1;
        while (source.charAt(end) === 'i' || source.charAt(end) === 'm') end += 1;
        return end;
      }
    }
    if (source.charAt(at - 1) === '\\') continue;
    if (char === '(' || char === '[' || char === '{') depth += 1;
    if (char === ')' || char === ']' || char === '}') depth -= 1;
  }
  return -1;
}
