import { javaRandom } from '#core/expr/java-random.ts';
import type { Dialect } from '#core/expr/limits.ts';
import { PICTURE_CHARS, RESULT_DEPTH, STRING_UNITS } from '#core/expr/limits.ts';
import { concatenate } from '#core/expr/operators.ts';
import { ExpressionFault } from '#core/expr/outcome.ts';
import { checkStringUnits, isFunctionValue, type Meter } from '#core/expr/values.ts';

// The functions that jsonata 2.2.2 lacks, answers differently from Step Functions, or cannot bound.
// A bounded one computes what jsonata's computes, after it has counted what that will allocate.
//
// B1 No function allocates before the meter allowed it.
// B2 No loop over more than a sequence runs without `tick`: jsonata's time guard does not see inside.
//
// B3 A function that replaces a built-in has as many parameters: `$map` passes as many arguments.
//
// Parameters of registered functions are `unknown`: a partial application (`$pad(?, 3)`) skips
// jsonata's own check of the signature. Their names matter too, since it reads them from the source.

export const HASH_ALGORITHMS = ['MD5', 'SHA-1', 'SHA-256', 'SHA-384', 'SHA-512'] as const;
export type HashAlgorithm = (typeof HASH_ALGORITHMS)[number];

/** What a pure module cannot do itself. */
export interface ExpressionHost {
  /** Lower-case hexadecimal digest of the text in UTF-8. */
  hash(algorithm: HashAlgorithm, text: string): string;
  /** Bytes of a text in UTF-8 as base64, and back; malformed input decodes as far as it goes. */
  base64Encode(text: string): string;
  base64Decode(text: string): string;
  /** Only the Step Functions dialect asks for these. */
  now(): number;
  uuid(): string;
  random(): number;
}

/** What jsonata hands to a registered function as `this`. */
interface Focus {
  createSequence(): unknown[];
}

export interface FunctionDefinition {
  readonly name: string;
  readonly signature: string;
  readonly implementation: (this: Focus, ...args: never[]) => unknown;
}

/** A built-in of jsonata, called with its own `this`. */
export type Original = (focus: unknown, ...args: readonly unknown[]) => unknown;

/** Built-ins that a bounded function calls after its checks. */
export const ORIGINALS = [
  'contains',
  'formatInteger',
  'formatNumber',
  'fromMillis',
  'parseInteger',
  'match',
  'replace',
  'split',
  'string',
  'toMillis',
] as const;
export type OriginalName = (typeof ORIGINALS)[number];

export interface FunctionContext {
  readonly meter: () => Meter;
  readonly host: ExpressionHost;
  readonly original: { readonly [N in OriginalName]: Original };
}

/** Everything to register on top of jsonata's own functions. */
export function functionsFor(dialect: Dialect, context: FunctionContext): FunctionDefinition[] {
  const shared = [
    ...textFunctions(context),
    ...listFunctions(context),
    ...pictureFunctions(context),
    ...addedFunctions(context),
  ];
  return dialect === 'aws' ? [...shared, ...awsFunctions(context)] : shared;
}

/** The name under which `&` is rewritten to a bounded call; no source can spell it. */
export const CONCATENATE = '\u0000concatenate';

function text(value: unknown, name: string): string {
  if (typeof value === 'string') return value;
  throw new ExpressionFault('error', `$${name} wants a string`);
}

function list(value: unknown, name: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new ExpressionFault('error', `$${name} wants an array`);
}

function finiteNumber(value: unknown, name: string): number {
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw new ExpressionFault('error', `$${name} wants a number`);
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

function textFunctions({ meter, host, original }: FunctionContext): FunctionDefinition[] {
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
        const missing = Math.abs(wanted) - [...value].length;
        if (missing <= 0) return value;
        const characters = [...filler];
        meter().chargeString(missing * 2 + value.length);
        const padding = Array.from(
          { length: missing },
          (_, i) => characters[i % characters.length],
        );
        return wanted > 0 ? value + padding.join('') : padding.join('') + value;
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

/** How many pieces a separator cuts a string into, counted up to `most`. */
function pieces(str: string, separator: string, most: number): number {
  let count = 1;
  for (let at = str.indexOf(separator); at >= 0 && count < most; count++) {
    at = str.indexOf(separator, at + separator.length);
  }
  return count;
}

function listFunctions({ meter }: FunctionContext): FunctionDefinition[] {
  return [
    {
      name: 'append',
      signature: '<xx:a>',
      implementation(first: unknown, second: unknown) {
        if (first === undefined) return second;
        if (second === undefined) return first;
        const left = Array.isArray(first) ? first : [first];
        const right = Array.isArray(second) ? second : [second];
        meter().chargeItems(left.length + right.length);
        return [...left, ...right];
      },
    },
    {
      name: 'sort',
      signature: '<af?:a>',
      async implementation(arr: unknown, comparator: unknown) {
        if (arr === undefined) return undefined;
        const items = list(arr, 'sort');
        if (items.length <= 1) return items;
        meter().chargeItems(items.length * 2);
        const swaps = comparator === undefined ? naturalOrder(items) : comparison(comparator);
        return await mergeSort(items, swaps, meter());
      },
    },
    {
      name: 'distinct',
      signature: '<x:x>',
      implementation(arr: unknown) {
        if (!Array.isArray(arr) || arr.length <= 1) return arr;
        const scalars = new Set<unknown>();
        const others: unknown[] = [];
        const results: unknown[] = isSequence(arr) ? this.createSequence() : [];
        for (const value of arr) {
          const scalar = typeof value !== 'object' || value === null;
          if (scalar ? scalars.has(value) : others.some((other) => same(value, other, meter()))) {
            continue;
          }
          if (scalar) scalars.add(value);
          else others.push(value);
          results.push(value);
        }
        return results;
      },
    },
    {
      name: 'spread',
      signature: '<x-:a<o>>',
      implementation(arg: unknown) {
        if (!Array.isArray(arg) && (typeof arg !== 'object' || arg === null)) return arg;
        const results: unknown[] = this.createSequence();
        spreadInto(arg, results, meter());
        return results;
      },
    },
    {
      name: 'zip',
      signature: '<a+>',
      implementation() {
        // biome-ignore lint/complexity/noArguments: jsonata reads the parameters from the source
        const columns = Array.from(arguments as unknown as ArrayLike<unknown>);
        const lengths = columns.map((column) => (Array.isArray(column) ? column.length : 0));
        const rows = Math.min(...lengths);
        meter().chargeItems(rows);
        const zipped: unknown[][] = [];
        for (let i = 0; i < rows; i++) {
          meter().chargeItems(columns.length);
          zipped.push(columns.map((column) => (column as readonly unknown[])[i]));
        }
        return zipped;
      },
    },
  ];
}

function isSequence(value: unknown[]): boolean {
  return (value as { sequence?: unknown }).sequence === true;
}

/** A lambda of the expression comes as an asynchronous function; whatever is true swaps. */
function comparison(comparator: unknown): (a: unknown, b: unknown) => Promise<boolean> {
  if (typeof comparator !== 'function') {
    throw new ExpressionFault('error', '$sort wants a function to compare with');
  }
  return async (a, b) => Boolean(await comparator(a, b));
}

function naturalOrder(items: readonly unknown[]): (a: unknown, b: unknown) => boolean {
  const first = typeof items[0];
  if ((first !== 'number' && first !== 'string') || items.some((item) => typeof item !== first)) {
    throw new ExpressionFault(
      'error',
      '$sort without a function wants strings or numbers, not both',
    );
  }
  return (a, b) => (a as string) > (b as string);
}

/** Stable, with the comparisons of jsonata's own merge sort, and memory linear in the items. */
async function mergeSort(
  items: readonly unknown[],
  swaps: (a: unknown, b: unknown) => boolean | Promise<boolean>,
  meter: Meter,
): Promise<unknown[]> {
  if (items.length <= 1) return [...items];
  const middle = Math.floor(items.length / 2);
  const left = await mergeSort(items.slice(0, middle), swaps, meter);
  const right = await mergeSort(items.slice(middle), swaps, meter);
  const merged: unknown[] = [];
  let l = 0;
  let r = 0;
  while (l < left.length && r < right.length) {
    meter.tick();
    if (await swaps(left[l], right[r])) merged.push(right[r++]);
    else merged.push(left[l++]);
  }
  return [...merged, ...left.slice(l), ...right.slice(r)];
}

function same(left: unknown, right: unknown, meter: Meter): boolean {
  meter.tick();
  if (left === right) return true;
  if (typeof left !== 'object' || typeof right !== 'object') return false;
  if (left === null || right === null || Array.isArray(left) !== Array.isArray(right)) return false;
  const keys = Object.keys(left);
  if (keys.length !== Object.keys(right).length) return false;
  return keys.every(
    (key) =>
      Object.hasOwn(right, key) &&
      same((left as Record<string, unknown>)[key], (right as Record<string, unknown>)[key], meter),
  );
}

function spreadInto(value: unknown, results: unknown[], meter: Meter): void {
  meter.tick();
  if (Array.isArray(value)) {
    for (const item of value) spreadInto(item, results, meter);
  } else if (typeof value === 'object' && value !== null && !isFunctionValue(value)) {
    for (const [key, member] of Object.entries(value)) {
      meter.chargeItems(8);
      const single = Object.create(null) as Record<string, unknown>;
      single[key] = member;
      results.push(single);
    }
  } else if (value !== undefined) results.push(value);
}

function pictureFunctions({ original, meter }: FunctionContext): FunctionDefinition[] {
  return [
    {
      name: 'formatNumber',
      signature: '<n-so?:s>',
      implementation(value: unknown, picture: unknown, options: unknown) {
        checkPicture(picture, 'formatNumber');
        if (typeof options === 'object' && options !== null) {
          for (const option of Object.values(options)) {
            if (typeof option !== 'string' || option.length === 0 || option.length > 8) {
              throw new ExpressionFault('error', '$formatNumber wants short strings as options');
            }
          }
        }
        return original.formatNumber(this, value, picture, options);
      },
    },
    {
      name: 'formatInteger',
      signature: '<n-s:s>',
      implementation(value: unknown, picture: unknown) {
        checkPicture(picture, 'formatInteger');
        if (typeof value === 'number' && typeof picture === 'string') {
          // a Roman numeral takes one level of the stack per letter, and one letter per thousand
          if (/^[iI](;.*)?$/.test(picture) && Math.abs(value) > 1_000_000) {
            throw new ExpressionFault('error', '$formatInteger writes Roman numerals to 1000000');
          }
        }
        return original.formatInteger(this, value, picture);
      },
    },
    {
      name: 'parseInteger',
      signature: '<s-s:n>',
      implementation(value: unknown, picture: unknown) {
        checkPicture(picture, 'parseInteger');
        checkDated(value, 'parseInteger');
        return original.parseInteger(this, value, picture);
      },
    },
    {
      name: 'toMillis',
      signature: '<s-s?:n>',
      implementation(value: unknown, picture: unknown) {
        checkPicture(picture, 'toMillis');
        checkDated(value, 'toMillis');
        return original.toMillis(this, value, picture);
      },
    },
    {
      name: 'fromMillis',
      signature: '<n-s?s?:s>',
      implementation(value: unknown, picture: unknown, timezone: unknown) {
        checkPicture(picture, 'fromMillis');
        checkPicture(timezone, 'fromMillis');
        const formatted = original.fromMillis(this, value, picture, timezone);
        if (typeof formatted === 'string') meter().chargeString(formatted.length);
        return formatted;
      },
    },
  ];
}

function checkPicture(picture: unknown, name: string): void {
  if (typeof picture !== 'string') return;
  if (picture.length > PICTURE_CHARS) {
    throw new ExpressionFault(
      'error',
      `$${name} wants a picture of at most ${PICTURE_CHARS} characters`,
    );
  }
  // `[Y,9999999999]` would ask for that many digits
  for (const digits of picture.match(/\d+/g) ?? []) {
    if (digits.length > 6 && name.endsWith('Millis')) {
      throw new ExpressionFault('error', `$${name} wants shorter widths in its picture`);
    }
  }
}

function checkDated(value: unknown, name: string): void {
  if (typeof value === 'string' && value.length > PICTURE_CHARS) {
    throw new ExpressionFault('error', `$${name} wants at most ${PICTURE_CHARS} characters`);
  }
}

function addedFunctions({ meter, host }: FunctionContext): FunctionDefinition[] {
  return [
    {
      name: 'parse',
      signature: '<s-:x>',
      implementation(str: unknown) {
        if (str === undefined) return undefined;
        const value = text(str, 'parse');
        meter().chargeString(value.length);
        checkNesting(value);
        try {
          return JSON.parse(value);
        } catch {
          throw new ExpressionFault('error', '$parse wants a string that is JSON');
        }
      },
    },
    {
      name: 'partition',
      signature: '<an:a<a>>',
      implementation(arr: unknown, size: unknown) {
        if (arr === undefined) return undefined;
        const items = list(arr, 'partition');
        const each = finiteNumber(size, 'partition');
        if (!Number.isInteger(each) || each < 1) {
          throw new ExpressionFault('error', '$partition wants a whole number from 1');
        }
        meter().chargeItems(items.length * 2);
        const parts: unknown[][] = [];
        for (let at = 0; at < items.length; at += each) {
          parts.push(items.slice(at, at + each));
        }
        return parts;
      },
    },
    {
      name: 'range',
      signature: '<nnn:a<n>>',
      implementation(first: unknown, last: unknown, step: unknown) {
        if (first === undefined || last === undefined || step === undefined) return undefined;
        const [from, to, by] = [first, last, step].map((value) => finiteNumber(value, 'range'));
        if (from === undefined || to === undefined || by === undefined || by === 0) {
          throw new ExpressionFault('error', '$range wants a step other than 0');
        }
        const count = Math.floor((to - from) / by) + 1;
        if (count <= 0) return [];
        meter().chargeItems(count);
        return Array.from({ length: count }, (_, i) => from + i * by);
      },
    },
    {
      name: 'hash',
      signature: '<s-s:s>',
      implementation(str: unknown, algorithm: unknown) {
        if (str === undefined) return undefined;
        const value = text(str, 'hash');
        const known = HASH_ALGORITHMS.find((name) => name === algorithm);
        if (known === undefined) {
          throw new ExpressionFault('error', `$hash wants one of ${HASH_ALGORITHMS.join(', ')}`);
        }
        return host.hash(known, value);
      },
    },
  ];
}

/** `JSON.parse` takes a million levels; nothing after it does. */
function checkNesting(json: string): void {
  let depth = 0;
  let quoted = false;
  for (let i = 0; i < json.length; i++) {
    const char = json.charCodeAt(i);
    if (quoted) {
      if (char === 0x5c) i += 1;
      else if (char === 0x22) quoted = false;
    } else if (char === 0x22) quoted = true;
    else if (char === 0x5b || char === 0x7b) {
      depth += 1;
      if (depth > RESULT_DEPTH) {
        throw new ExpressionFault('too_deep', `$parse takes at most ${RESULT_DEPTH} levels`);
      }
    } else if (char === 0x5d || char === 0x7d) depth -= 1;
  }
}

function awsFunctions({ host, original }: FunctionContext): FunctionDefinition[] {
  return [
    { name: 'uuid', signature: '<:s>', implementation: () => host.uuid() },
    {
      name: 'random',
      signature: '<n?:n>',
      implementation: (seed: unknown) =>
        typeof seed === 'number' ? javaRandom(seed) : host.random(),
    },
    { name: 'millis', signature: '<:n>', implementation: () => host.now() },
    {
      name: 'now',
      signature: '<s?s?:s>',
      implementation(picture: unknown, timezone: unknown) {
        checkPicture(picture, 'now');
        checkPicture(timezone, 'now');
        return original.fromMillis(this, host.now(), picture, timezone);
      },
    },
  ];
}
