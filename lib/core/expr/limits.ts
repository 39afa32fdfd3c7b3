/**
 * The limits that are part of the meaning of an expression (rule 14): counted, never timed, so that
 * both runtimes reach them at the same place. `aws` is wider where the compiler's own wrapping
 * (bindings, guards) comes on top of what an author wrote.
 */
export interface DialectLimits {
  readonly sourceChars: number;
  readonly astDepth: number;
  readonly astNodes: number;
  /** Canonical JSON of the result, in UTF-8 bytes. */
  readonly resultBytes: number;
}

export type Dialect = 'portable' | 'aws';

export const DIALECT_LIMITS: { readonly [D in Dialect]: DialectLimits } = {
  portable: { sourceChars: 4_096, astDepth: 60, astNodes: 2_000, resultBytes: 65_536 },
  aws: { sourceChars: 65_536, astDepth: 200, astNodes: 20_000, resultBytes: 262_144 },
};

/** Levels of arrays and objects that a result may have: what every store and cache can take. */
export const RESULT_DEPTH = 64;

/** Items that any sequence or array may hold while an expression is evaluated. */
export const SEQUENCE_ITEMS = 100_000;

/**
 * The same where the expression sorts with `^( )`: JSONata's own merge sort keeps a copy of the rest
 * per element, so its memory grows with the square (3,000 items: about 20 MB).
 */
export const SORTED_SEQUENCE_ITEMS = 3_000;

/** UTF-16 units of any string while an expression is evaluated. */
export const STRING_UNITS = 1_048_576;

/** Bytes that one evaluation may allocate for strings and arrays, also if they are garbage soon. */
export const ALLOCATED_BYTES = 67_108_864;

/** Picture strings of number and date formats: JSONata analyses them in quadratic time. */
export const PICTURE_CHARS = 256;
