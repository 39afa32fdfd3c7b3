import type { FunctionContext, FunctionDefinition } from '#core/expr/function-context.ts';
import { finiteNumber, list, text } from '#core/expr/function-context.ts';
import { RESULT_DEPTH, STRING_UNITS } from '#core/expr/limits.ts';
import { concatenate } from '#core/expr/operators.ts';
import { ExpressionFault } from '#core/expr/outcome.ts';
import { checkStringUnits, isFunctionValue, type Meter } from '#core/expr/values.ts';

/** The name under which `&` is rewritten to a bounded call; no source can spell it. */
export const CONCATENATE = '\u0000concatenate';

/** Functions whose text can outgrow what they are given. */
export function textFunctions({ meter, host, original }: FunctionContext): FunctionDefinition[] {
  return [
    {
      name: CONCATENATE,
      signature: '<xx:s>',
      implementation(left: unknown, right: unknown) {
        for (const side of [left, right]) {
          if (typeof side === 'object' && side !== null) textUnits(side, 0, meter());
        }
        const joined = concatenate(left, right);
        meter().chargeString(joined.length);
        return joined;
      },
    },
    {
      name: 'string',
      signature: '<x-b?:s>',
      implementation(value: unknown, prettify: unknown = false) {
        if (typeof value === 'object') {
          // indentation adds at most two blanks per level and line; depth is bounded above
          const units = textUnits(value, 0, meter());
          meter().chargeString(prettify === true ? units * 2 : units);
        }
        return original.string(this, value, prettify);
      },
    },
    {
      name: 'pad',
      signature: '<s-ns?:s>',
      implementation(str: unknown, width: unknown, char: unknown) {
        if (str === undefined) return undefined;
        const value = text(str, 'pad');
        if (width === undefined) return value;
        const wanted = Math.trunc(finiteNumber(width, 'pad'));
        const filler = char === undefined || char === '' ? ' ' : text(char, 'pad');
        checkStringUnits(Math.abs(wanted));
        const missing = Math.abs(wanted) - countCharacters(value);
        if (missing <= 0) return value;
        meter().chargeString(missing * 2 + value.length);
        const padding = repeated(filler, missing);
        return wanted > 0 ? value + padding : padding + value;
      },
    },
    {
      name: 'length',
      signature: '<s-:n>',
      implementation(str: unknown) {
        return str === undefined ? undefined : countCharacters(text(str, 'length'));
      },
    },
    {
      name: 'substring',
      signature: '<s-nn?:s>',
      implementation(str: unknown, start: unknown, length: unknown) {
        if (str === undefined) return undefined;
        const value = text(str, 'substring');
        const count = countCharacters(value);
        // a missing start is no number: the first character, and no end that `length` could count to
        let from = start === undefined ? Number.NaN : finiteNumber(start, 'substring');
        if (count + from < 0) from = 0;
        if (length === undefined) return value.slice(unitsOf(value, place(from, count)));
        const wanted = finiteNumber(length, 'substring');
        if (wanted <= 0) return '';
        const end = from >= 0 ? from + wanted : count + from + wanted;
        const first = unitsOf(value, place(from, count));
        return value.slice(first, Math.max(first, unitsOf(value, place(end, count))));
      },
    },
    {
      name: 'join',
      signature: '<a<s>s?:s>',
      implementation(strs: unknown, separator: unknown) {
        if (strs === undefined) return undefined;
        const glue = separator === undefined ? '' : text(separator, 'join');
        let units = 0;
        const parts = list(strs, 'join').map((part) => text(part, 'join'));
        for (const part of parts) units += part.length + glue.length;
        meter().chargeString(units);
        return parts.join(glue);
      },
    },
    {
      name: 'split',
      signature: '<s-(sf)n?:a<s>>',
      implementation(str: unknown, separator: unknown, limit: unknown) {
        if (typeof str !== 'string') return original.split(this, str, separator, limit);
        // at most one part per unit, each a slice of the string
        const most = typeof limit === 'number' ? Math.min(limit, str.length + 1) : str.length + 1;
        if (typeof separator === 'string') {
          const parts = separator === '' ? most : pieces(str, separator, most);
          meter().chargeItems(Math.max(0, Math.ceil(parts)));
        }
        return original.split(this, str, separator, limit);
      },
    },
    {
      name: 'replace',
      signature: '<s-(sf)(sf)n?:s>',
      implementation(str: unknown, pattern: unknown, replacement: unknown, limit: unknown) {
        if (typeof str === 'string' && typeof replacement === 'string') {
          const hits =
            typeof pattern === 'string' && pattern !== ''
              ? pieces(str, pattern, str.length + 1) - 1
              : str.length;
          const most = typeof limit === 'number' ? Math.min(limit, hits) : hits;
          meter().chargeString(str.length + Math.max(0, most) * replacement.length);
        }
        return original.replace(this, str, pattern, replacement, limit);
      },
    },
    {
      name: 'base64encode',
      signature: '<s-:s>',
      implementation(str: unknown) {
        if (str === undefined) return undefined;
        const value = text(str, 'base64encode');
        meter().chargeString(value.length * 4);
        return host.base64Encode(value);
      },
    },
    {
      name: 'base64decode',
      signature: '<s-:s>',
      implementation(str: unknown) {
        if (str === undefined) return undefined;
        const value = text(str, 'base64decode');
        meter().chargeString(value.length);
        return host.base64Decode(value);
      },
    },
  ];
}

/** Characters as JSONata counts them: a surrogate pair is one. Makes no list of them. */
function countCharacters(value: string): number {
  let pairs = 0;
  for (let i = 0; i < value.length - 1; i++) if (isPair(value, i)) pairs += 1;
  return value.length - pairs;
}

function isPair(value: string, at: number): boolean {
  return (
    (value.charCodeAt(at) & 0xfc00) === 0xd800 && (value.charCodeAt(at + 1) & 0xfc00) === 0xdc00
  );
}

/** UTF-16 units that the first `count` characters take. */
function unitsOf(value: string, count: number): number {
  let at = 0;
  for (let seen = 0; seen < count && at < value.length; seen++) at += isPair(value, at) ? 2 : 1;
  return at;
}

/** Where `Array.prototype.slice` puts an index into a list of `count`. */
function place(index: number, count: number): number {
  const whole = Math.trunc(index);
  return whole < 0 ? Math.max(0, count + whole) : Math.min(whole, count);
}

/** How many pieces a separator cuts a string into, counted up to `most`. */
function pieces(str: string, separator: string, most: number): number {
  let count = 1;
  for (let at = str.indexOf(separator); at >= 0 && count < most; count++) {
    at = str.indexOf(separator, at + separator.length);
  }
  return count;
}

/** Units that `value` takes as JSON text, at most; stops at the limit. */
function textUnits(value: unknown, depth: number, meter: Meter): number {
  meter.tick();
  if (typeof value === 'string')
    return value.length * 6 + 2 > STRING_UNITS ? escaped(value) : value.length * 6 + 2;
  if (typeof value !== 'object' || value === null || isFunctionValue(value)) return 24;
  if (depth > RESULT_DEPTH * 4)
    throw new ExpressionFault('too_deep', 'the value is nested too deep');
  let units = 2;
  for (const [key, member] of Object.entries(value)) {
    units += (Array.isArray(value) ? 1 : key.length + 4) + textUnits(member, depth + 1, meter);
    checkStringUnits(units);
  }
  return units;
}

/** Long strings are measured exactly: six units per character would refuse what fits. */
function escaped(value: string): number {
  checkStringUnits(value.length);
  return JSON.stringify(value).length;
}

/**
 * So many characters of a text that is repeated without end. Halves of a surrogate pair at its two ends
 * become one character wherever it meets itself, so all after the first letter is another cycle.
 */
function repeated(text: string, characters: number): string {
  const meets = /^[\udc00-\udfff]/.test(text) && /[\ud800-\udbff]$/.test(text);
  const head = meets ? text.charAt(0) : '';
  const cycle = meets ? text.slice(1) + head : text;
  const each = countCharacters(cycle);
  const wanted = characters - head.length;
  const rest = cycle.slice(0, unitsOf(cycle, wanted % each));
  return head + cycle.repeat(Math.floor(wanted / each)) + rest;
}
