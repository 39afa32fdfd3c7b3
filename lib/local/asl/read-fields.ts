/** Reading fields of a definition: each wrong one becomes a problem and reads as null. */
import type { Problem } from '#core/errors.ts';
import { isJsonObject, type Json, type JsonObject, pointerTo } from '#core/json.ts';
import { checkExpression } from './check-expression.ts';
import type { Template } from './machine.ts';
import { compileTemplate } from './template.ts';

export type ProblemCode =
  | 'SCHEMA_VALIDATION_FAILED'
  | 'UNSUPPORTED_FIELD'
  | 'UNSUPPORTED_QUERY_LANGUAGE'
  | 'UNSUPPORTED_RESOURCE'
  | 'INVALID_JSONATA_EXPRESSION'
  | 'UNSUPPORTED_JSONATA_EXPRESSION'
  | 'MISSING_TRANSITION_TARGET'
  | 'MISSING_END_STATE'
  | 'DUPLICATE_STATE_NAME'
  | 'VARIABLE_IN_OUTER_SCOPE';

type Presence = 'required' | 'optional';

/** Fields of the JSONPath mode, which a JSONata machine may not carry. */
const JSONPATH_FIELDS = new Set([
  'InputPath',
  'OutputPath',
  'ResultPath',
  'ResultSelector',
  'Parameters',
  'Result',
  'ItemsPath',
  'MaxConcurrencyPath',
  'SecondsPath',
  'TimestampPath',
  'TimeoutSecondsPath',
  'HeartbeatSecondsPath',
  'ErrorPath',
  'CausePath',
  'Variable',
]);

const SHOWN_LENGTH = 120;

export class Reader {
  readonly problems: Problem[];
  /** Pointers of scopes with a state that could not be read. */
  readonly broken = new Set<string>();

  constructor(problems: Problem[]) {
    this.problems = problems;
  }

  problem(
    code: ProblemCode,
    pointer: string,
    message: string,
    given?: Json,
    allowed?: string,
  ): void {
    const shown = given === undefined ? undefined : JSON.stringify(given);
    this.problems.push({
      code,
      pointer,
      message,
      ...(shown === undefined ? {} : { given: shown.slice(0, SHOWN_LENGTH) }),
      ...(allowed === undefined ? {} : { allowed }),
    });
  }

  /** Refuses every field that is not in `known`. */
  fields(object: JsonObject, pointer: string, what: string, known: readonly string[]): void {
    for (const field of Object.keys(object)) {
      if (known.includes(field)) continue;
      const of = JSONPATH_FIELDS.has(field)
        ? `field '${field}' belongs to the JSONPath query language, and only JSONata is supported`
        : `unsupported field '${field}' in a ${what}`;
      this.problem('UNSUPPORTED_FIELD', pointerTo(pointer, field), of, undefined, known.join(', '));
    }
  }

  string(object: JsonObject, pointer: string, field: string, presence?: Presence): string | null {
    const value = this.#present(object, pointer, field, presence);
    if (value === undefined) return null;
    if (typeof value === 'string') return value;
    this.#expected(pointer, field, value, 'a string');
    return null;
  }

  boolean(object: JsonObject, pointer: string, field: string): boolean | null {
    const value = object[field];
    if (value === undefined) return null;
    if (typeof value === 'boolean') return value;
    this.#expected(pointer, field, value, 'true or false');
    return null;
  }

  oneOf<T extends string>(
    object: JsonObject,
    pointer: string,
    field: string,
    allowed: readonly T[],
    presence?: Presence,
  ): T | null {
    const value = this.#present(object, pointer, field, presence);
    if (value === undefined) return null;
    const found = allowed.find((each) => each === value);
    if (found !== undefined) return found;
    this.#expected(pointer, field, value, `one of ${allowed.join(', ')}`);
    return null;
  }

  number(
    object: JsonObject,
    pointer: string,
    field: string,
    from: number,
    to: number,
  ): number | null {
    const value = object[field];
    if (value === undefined) return null;
    if (typeof value === 'number' && value >= from && value <= to) return value;
    this.#expected(pointer, field, value, `a number from ${from} to ${to}`);
    return null;
  }

  integer(
    object: JsonObject,
    pointer: string,
    field: string,
    from: number,
    to: number,
  ): number | null {
    const value = object[field];
    if (value === undefined) return null;
    if (Number.isInteger(value) && (value as number) >= from && (value as number) <= to) {
      return value as number;
    }
    this.#expected(pointer, field, value, `a whole number from ${from} to ${to}`);
    return null;
  }

  object(
    object: JsonObject,
    pointer: string,
    field: string,
    presence?: Presence,
  ): JsonObject | null {
    const value = this.#present(object, pointer, field, presence);
    if (value === undefined) return null;
    if (isJsonObject(value)) return value;
    this.#expected(pointer, field, value, 'an object');
    return null;
  }

  array(
    object: JsonObject,
    pointer: string,
    field: string,
    presence?: Presence,
  ): readonly Json[] | null {
    const value = this.#present(object, pointer, field, presence);
    if (value === undefined) return null;
    if (Array.isArray(value) && (value.length > 0 || presence !== 'required')) return value;
    this.#expected(pointer, field, value, 'a list with at least one member');
    return null;
  }

  strings(object: JsonObject, pointer: string, field: string): readonly string[] {
    const list = this.array(object, pointer, field, 'required') ?? [];
    const strings: string[] = [];
    list.forEach((value, index) => {
      if (typeof value === 'string' && value !== '') strings.push(value);
      else this.#expected(pointerTo(pointer, field), index, value, 'a string that is not empty');
    });
    return strings;
  }

  /** A field that may hold expressions. `location` is its name in events, the field's by default. */
  template(
    object: JsonObject,
    pointer: string,
    field: string,
    options: { readonly location?: string; readonly inCatcher?: boolean } = {},
  ): Template | null {
    const value = object[field];
    if (value === undefined) return null;
    const at = pointerTo(pointer, field);
    const template = compileTemplate(value, options.location ?? field);
    this.#halfMarked(value, at);
    for (const { path, source } of template.expressions) {
      for (const { code, message } of checkExpression(source, options.inCatcher ?? false)) {
        this.problem(code, pointerTo(at, ...path), message, source);
      }
    }
    return template;
  }

  /** `{%` without `%}` or the reverse is a slip that AWS refuses too; blanks around make a constant. */
  #halfMarked(value: Json, pointer: string): void {
    if (typeof value === 'string') {
      if (value.startsWith('{%') !== value.endsWith('%}')) {
        this.problem(
          'INVALID_JSONATA_EXPRESSION',
          pointer,
          "an expression is a whole string from '{%' to '%}'",
          value,
        );
      }
    } else if (Array.isArray(value)) {
      value.forEach((each, index) => {
        this.#halfMarked(each, pointerTo(pointer, index));
      });
    } else if (isJsonObject(value)) {
      for (const [key, each] of Object.entries(value))
        this.#halfMarked(each, pointerTo(pointer, key));
    }
  }

  #present(
    object: JsonObject,
    pointer: string,
    field: string,
    presence: Presence | undefined,
  ): Json | undefined {
    const value = object[field];
    if (value === undefined && presence === 'required') {
      this.problem('SCHEMA_VALIDATION_FAILED', pointer, `required field '${field}' is missing`);
    }
    return value;
  }

  #expected(pointer: string, field: string | number, given: Json, allowed: string): void {
    this.problem(
      'SCHEMA_VALIDATION_FAILED',
      pointerTo(pointer, field),
      `'${field}' must be ${allowed}`,
      given,
      allowed,
    );
  }
}
