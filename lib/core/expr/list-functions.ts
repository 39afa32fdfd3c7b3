import type { FunctionContext, FunctionDefinition } from '#core/expr/function-context.ts';
import { list } from '#core/expr/function-context.ts';
import { ExpressionFault } from '#core/expr/outcome.ts';
import { isFunctionValue, type Meter } from '#core/expr/values.ts';

/** Functions that jsonata computes with the square of the items in time or memory. */
export function listFunctions({ meter }: FunctionContext): FunctionDefinition[] {
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
      name: 'keys',
      signature: '<x-:a<s>>',
      implementation(arg: unknown) {
        const names = new Set<string>();
        namesInto(arg, names, meter());
        // jsonata collects the names of several objects in one object, which puts whole numbers first
        const ordered = Array.isArray(arg) ? inObjectOrder(names) : [...names];
        const results: unknown[] = this.createSequence();
        for (const name of ordered) results.push(name);
        return results;
      },
    },
    {
      name: 'merge',
      signature: '<a<o>:o>',
      implementation(arg: unknown) {
        if (arg === undefined) return undefined;
        const merged = Object.create(null) as Record<string, unknown>;
        for (const object of list(arg, 'merge')) {
          meter().tick();
          if (typeof object !== 'object' || object === null) continue;
          for (const [name, value] of Object.entries(object)) {
            meter().tick();
            merged[name] = value;
          }
        }
        return merged;
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
          meter().tick();
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

function namesInto(value: unknown, names: Set<string>, meter: Meter): void {
  meter.tick();
  if (Array.isArray(value)) {
    for (const item of value) namesInto(item, names, meter);
  } else if (typeof value === 'object' && value !== null && !isFunctionValue(value)) {
    for (const name of Object.keys(value)) {
      meter.tick();
      names.add(name);
    }
  }
}

function inObjectOrder(names: ReadonlySet<string>): string[] {
  const object = Object.create(null) as Record<string, true>;
  for (const name of names) object[name] = true;
  return Object.keys(object);
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
