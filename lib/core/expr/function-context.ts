import { ExpressionFault } from '#core/expr/outcome.ts';
import type { Meter } from '#core/expr/values.ts';

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

// What every function checks first: a partial application skips jsonata's check of the signature.

export function text(value: unknown, name: string): string {
  if (typeof value === 'string') return value;
  throw new ExpressionFault('error', `$${name} wants a string`);
}

export function list(value: unknown, name: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new ExpressionFault('error', `$${name} wants an array`);
}

export function finiteNumber(value: unknown, name: string): number {
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw new ExpressionFault('error', `$${name} wants a number`);
}
