import type { Sequence } from '#core/expr/operators.ts';
import { checkItems, isFunctionValue } from '#core/expr/values.ts';

// Paths over JSON as jsonata 2.2.2 walks them: each step maps over what it is given and flattens one
// level; none is nothing, and one is that one.

export interface PathStep {
  readonly key: string;
  /** Literal indices in brackets after the name. */
  readonly indices: readonly number[];
}

/** The common case: objects all the way. The first array on the way hands over to `walkSequence`. */
export function walk(root: unknown, steps: readonly PathStep[]): unknown {
  let value = root;
  for (let i = 0; i < steps.length; i++) {
    if (typeof value !== 'object' || value === null) return undefined;
    if (Array.isArray(value)) return walkSequence(asItems(value), steps, i);
    value = member(value, (steps[i] as PathStep).key);
    if (value === undefined) return undefined;
  }
  return value;
}

/** JSONata's path over several items: each step maps and flattens one level. */
export function walkSequence(
  items: readonly unknown[],
  steps: readonly PathStep[],
  from: number,
): unknown {
  let sequence = items;
  for (let i = from; i < steps.length; i++) {
    const step = steps[i] as PathStep;
    const results: unknown[] = [];
    for (const item of sequence) {
      let result = single(lookup(item, step.key));
      if (step.indices.length > 0) result = atIndices(result, step.indices);
      if (result !== undefined) push(results, result);
    }
    const [only] = results;
    if (
      i === steps.length - 1 &&
      results.length === 1 &&
      Array.isArray(only) &&
      !isSequence(only)
    ) {
      return only; // a single array at the end of a path stays as it is
    }
    const flat: Sequence = [];
    flat.sequence = true;
    for (const result of results) {
      if (Array.isArray(result)) for (const item of result) push(flat, item);
      else push(flat, result);
    }
    if (flat.length === 0) return undefined;
    sequence = flat;
  }
  return single(sequence);
}

function lookup(value: unknown, key: string): unknown {
  if (!Array.isArray(value)) {
    return typeof value === 'object' && value !== null ? member(value, key) : undefined;
  }
  const found: Sequence = [];
  found.sequence = true;
  for (const item of value) {
    const result = lookup(item, key);
    if (Array.isArray(result)) for (const inner of result) push(found, inner);
    else if (result !== undefined) push(found, result);
  }
  return found;
}

function member(object: object, key: string): unknown {
  if (!Object.hasOwn(object, key) || isFunctionValue(object)) return undefined;
  return (object as Record<string, unknown>)[key];
}

/** What leaves an evaluated node: a sequence of none is nothing, of one is that one. */
export function single(value: unknown): unknown {
  if (!isSequence(value)) return value;
  return value.length > 1 ? value : value[0];
}

export function isSequence(value: unknown): value is Sequence {
  return Array.isArray(value) && (value as Sequence).sequence === true;
}

/** What a path's first step hands to the second. */
export function asItems(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) return [value];
  checkItems(value.length);
  return value;
}

/** One bracketed literal after the other; an array found at an index replaces the sequence. */
export function atIndices(value: unknown, indices: readonly number[]): unknown {
  let current = value;
  for (const index of indices) {
    const items: readonly unknown[] = Array.isArray(current) ? current : [current];
    const item = items[index < 0 ? items.length + index : index];
    if (Array.isArray(item)) current = item;
    else {
      const found: Sequence = item === undefined ? [] : [item];
      found.sequence = true;
      current = found;
    }
  }
  return current;
}

export function push(items: unknown[], item: unknown): void {
  checkItems(items.length + 1);
  items.push(item);
}
