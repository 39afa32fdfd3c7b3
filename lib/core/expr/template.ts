import type { Problem } from '#core/errors.ts';

/** A string of a definition: plain text, or text with `{% expression %}` parts in between. */
export type SplitTemplate =
  /** No expression at all: the string stands for itself. */
  | { readonly kind: 'text'; readonly text: string }
  /** The whole string is one expression: its value may be anything. */
  | { readonly kind: 'expression'; readonly source: string }
  /** Interpolation: parts are joined, and each expression must yield a string, number or boolean. */
  | { readonly kind: 'parts'; readonly parts: readonly TemplatePart[] }
  | { readonly kind: 'problem'; readonly problem: Problem };

export type TemplatePart =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'expression'; readonly source: string };

const OPEN = '{%';
const CLOSE = '%}';

/**
 * Cuts a string at its expressions. The language has no escape: `{%` and `%}` are always the marks,
 * also inside a string literal of an expression, so that what Step Functions sees is cut alike.
 */
export function splitTemplate(text: string, pointer = ''): SplitTemplate {
  const parts: TemplatePart[] = [];
  let at = 0;
  while (at < text.length) {
    const open = text.indexOf(OPEN, at);
    const close = text.indexOf(CLOSE, at);
    if (open < 0 && close < 0) break;
    if (open < 0 || (close >= 0 && close < open)) {
      return lone(pointer, text, close, `a '%}' without '{%' before it`);
    }
    const end = text.indexOf(CLOSE, open + OPEN.length);
    if (end < 0) return lone(pointer, text, open, `a '{%' without '%}' after it`);
    const inner = text.indexOf(OPEN, open + OPEN.length);
    if (inner >= 0 && inner < end) return lone(pointer, text, inner, `a '{%' inside another`);
    if (open > at) parts.push({ kind: 'text', text: text.slice(at, open) });
    parts.push({ kind: 'expression', source: text.slice(open + OPEN.length, end).trim() });
    at = end + CLOSE.length;
  }
  if (parts.length === 0) return { kind: 'text', text };
  if (at < text.length) parts.push({ kind: 'text', text: text.slice(at) });
  const [only] = parts;
  if (parts.length === 1 && only?.kind === 'expression') return only;
  return { kind: 'parts', parts };
}

function lone(pointer: string, text: string, position: number, what: string): SplitTemplate {
  return {
    kind: 'problem',
    problem: {
      code: 'E_EXPR_PARSE',
      pointer,
      message: `${what} at character ${position + 1}`,
      given: text.slice(Math.max(0, position - 10), position + 20),
      allowed: `'{% expression %}', once or several times between text`,
    },
  };
}
