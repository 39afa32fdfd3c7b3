import type { NamedParameters, OperationSpec, ParameterSchema } from './connections.ts';
import type { Problem } from './errors.ts';
import { isJsonObject, type Json, jsonBytes } from './json.ts';
import { readStatement } from './sql-statement.ts';

/** Bytes of canonical JSON that all parameters of one call may have. */
export const PARAMETERS_BYTES = 262_144;

/** A value for one placeholder: text, null, or texts for a database array. */
export type ParameterValue = string | null | readonly (string | null)[];

/** What is wrong with an operation beyond its shape, with JSON Pointers into the spec. */
export function checkOperation(spec: OperationSpec): readonly Problem[] {
  const statement = readStatement(spec.statement, spec.access);
  if (!statement.ok) {
    return [{ code: 'E_STATEMENT', pointer: '/statement', message: statement.message }];
  }
  const { parameters } = spec;
  const { names } = statement;
  const problem = (pointer: string, message: string): Problem[] => [
    { code: 'E_PARAMETERS', pointer, message },
  ];
  if (names === null) {
    const declared = parameters?.type === 'array' ? parameters.prefixItems.length : 0;
    if (parameters?.type === 'object' && Object.keys(parameters.properties).length > 0) {
      return problem('/parameters', 'parameters are named but the statement has no :name');
    }
    return declared === statement.count
      ? []
      : problem(
          '/parameters',
          `the statement takes ${statement.count} values, the parameters describe ${declared}`,
        );
  }
  if (parameters?.type !== 'object') {
    return problem('/parameters', 'the statement has :names, so parameters must be an object');
  }
  const declared = Object.keys(parameters.properties);
  const missing = names.filter((name) => !declared.includes(name));
  const unused = declared.filter((name) => !names.includes(name));
  return [
    ...missing.flatMap((name) =>
      problem('/parameters/properties', `:${name} of the statement is not described`),
    ),
    ...unused.flatMap((name) =>
      problem(`/parameters/properties/${name}`, `'${name}' is not in the statement`),
    ),
    ...(parameters.required ?? [])
      .filter((name) => !declared.includes(name))
      .flatMap((name) => problem('/parameters/required', `'${name}' is not a property`)),
  ];
}

/**
 * Checks the parameters of one call against the operation and orders them for its statement. A
 * parameter that is left out and not required travels as NULL. Messages name parameters, not values.
 */
export function bindParameters(
  spec: OperationSpec,
  names: readonly string[] | null,
  given: Json,
): { ok: true; values: readonly ParameterValue[] } | { ok: false; message: string } {
  if (jsonBytes(given) > PARAMETERS_BYTES) {
    return { ok: false, message: `parameters are larger than ${PARAMETERS_BYTES} bytes` };
  }
  const parameters = spec.parameters;
  if (names === null) return bindPositional(parameters, given);
  if (!isJsonObject(given)) return { ok: false, message: 'parameters must be an object' };
  const described = parameters as NamedParameters;
  const unknown = Object.keys(given).find((name) => !names.includes(name));
  if (unknown !== undefined) {
    return {
      ok: false,
      message: `unknown parameter '${unknown.slice(0, 64)}'; use ${names.join(', ')}`,
    };
  }
  const values: ParameterValue[] = [];
  for (const name of names) {
    const present = Object.hasOwn(given, name);
    if (!present && described.required?.includes(name) === true) {
      return { ok: false, message: `parameter '${name}' is missing` };
    }
    if (!present) {
      values.push(null);
      continue;
    }
    const fault = faultOf(described.properties[name] as ParameterSchema, given[name] as Json);
    if (fault !== null) return { ok: false, message: `parameter '${name}' ${fault}` };
    values.push(toValue(described.properties[name] as ParameterSchema, given[name] as Json));
  }
  return { ok: true, values };
}

function bindPositional(
  parameters: OperationSpec['parameters'],
  given: Json,
): { ok: true; values: readonly ParameterValue[] } | { ok: false; message: string } {
  const schemas = parameters?.type === 'array' ? parameters.prefixItems : [];
  const list = isJsonObject(given) && Object.keys(given).length === 0 ? [] : given;
  if (!Array.isArray(list)) return { ok: false, message: 'parameters must be an array' };
  if (list.length !== schemas.length) {
    return { ok: false, message: `${list.length} parameters given, ${schemas.length} needed` };
  }
  const values: ParameterValue[] = [];
  for (const [i, schema] of schemas.entries()) {
    const fault = faultOf(schema, list[i] as Json);
    if (fault !== null) return { ok: false, message: `parameter ${i + 1} ${fault}` };
    values.push(toValue(schema, list[i] as Json));
  }
  return { ok: true, values };
}

const FORMATS = {
  uuid: /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i,
  date: /^\d{4}-\d{2}-\d{2}$/,
  'date-time': /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})$/i,
} as const;

/** What is wrong with a value, as the end of a sentence; null: nothing. */
function faultOf(schema: ParameterSchema, value: Json): string | null {
  const types = typeof schema.type === 'string' ? [schema.type] : schema.type;
  const type = typeOf(value);
  if (!types.includes(type) && !(type === 'integer' && types.includes('number'))) {
    return `is ${type}, not ${types.join(' or ')}`;
  }
  if (schema.enum !== undefined && !schema.enum.some((allowed) => allowed === value)) {
    return 'is none of the allowed values';
  }
  if (typeof value === 'string') {
    if (value.includes('\0')) return 'holds a NUL character';
    // Length as JSON Schema counts it: code points. Only those that could be at fault are counted.
    const length =
      schema.minLength === undefined && schema.maxLength === undefined ? 0 : [...value].length;
    if (length < (schema.minLength ?? 0)) return `is shorter than ${schema.minLength}`;
    if (schema.maxLength !== undefined && length > schema.maxLength) {
      return `is longer than ${schema.maxLength}`;
    }
    if (schema.format !== undefined && !FORMATS[schema.format].test(value)) {
      return `is not a ${schema.format}`;
    }
  }
  if (typeof value === 'number') {
    if (schema.minimum !== undefined && value < schema.minimum) return `is below ${schema.minimum}`;
    if (schema.maximum !== undefined && value > schema.maximum) return `is above ${schema.maximum}`;
  }
  if (Array.isArray(value)) {
    if (schema.maxItems !== undefined && value.length > schema.maxItems) {
      return `has more than ${schema.maxItems} items`;
    }
    const items = schema.items;
    if (items !== undefined) {
      for (const item of value as readonly Json[]) {
        const fault = item === null ? null : faultOf({ type: items.type }, item);
        if (fault !== null) return `has an item that ${fault}`;
      }
    }
  }
  return null;
}

function typeOf(
  value: Json,
): 'string' | 'integer' | 'number' | 'boolean' | 'object' | 'array' | 'null' {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value as 'string' | 'boolean' | 'object';
}

/** Values travel as text and the server gives them the type that the statement asks for. */
function toValue(schema: ParameterSchema, value: Json): ParameterValue {
  if (value === null) return null;
  if (Array.isArray(value) && schema.items !== undefined) {
    return (value as readonly Json[]).map((item) => (item === null ? null : String(item)));
  }
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
