import {
  Ajv2020,
  type AnySchemaObject,
  type ErrorObject,
  type ValidateFunction,
} from 'ajv/dist/2020.js';
import type { TSchema } from 'typebox';
import type { Problem } from '#core/errors.ts';
import { nearest } from '#core/expr/names.ts';
import { allowedBy } from '#core/in-words.ts';
import { pointerTo } from '#core/json.ts';
import { durationMs, formatDuration } from './durations.ts';
import { withoutEchoes } from './echoes.ts';
import { LIMITS } from './limits.ts';
import { pointerTokens, quoted, shown } from './problems.ts';

/**
 * Checks one flat piece of a definition against its schema and says what is wrong in our words.
 * Steps inside a piece are left to the caller, who checks each by its own type: so one mistake is
 * one problem, and never a list of all the types that a step is not.
 */

const ajv = new Ajv2020({
  allErrors: true,
  verbose: true,
  strictTypes: false,
  allowUnionTypes: true,
  validateFormats: false,
});
ajv.addKeyword('allowed');
ajv.addKeyword({
  keyword: 'durationBetween',
  type: 'string',
  errors: false,
  validate: ([least, most]: readonly [number, number], value: string) => {
    const ms = durationMs(value);
    return ms === null || (ms >= least && ms <= most);
  },
});

const SHALLOW_STEPS = {
  steps: { type: 'array', minItems: 1, maxItems: LIMITS.stepsPerScope },
};

const compiled = new Map<TSchema, ValidateFunction>();

function validatorOf(schema: TSchema): ValidateFunction {
  let validator = compiled.get(schema);
  if (validator === undefined) {
    validator = ajv.compile({ ...(schema as AnySchemaObject), $defs: SHALLOW_STEPS });
    compiled.set(schema, validator);
  }
  return validator;
}

export interface Checked {
  readonly problems: readonly Problem[];
  /** The value without what was wrong in it, so that checks of meaning can still read the rest. */
  readonly sound: Readonly<Record<string, unknown>>;
}

/** `value` is plain JSON within the walls (walls.ts). */
export function validatePiece(
  schema: TSchema,
  value: Readonly<Record<string, unknown>>,
  pointer: string,
): Checked {
  const validator = validatorOf(schema);
  if (validator(value)) return { problems: [], sound: value };
  // More than is ever shown: the rest of a hostile piece is not looked at.
  const errors = withoutEchoes((validator.errors ?? []).slice(0, 5 * LIMITS.problems));
  const sound = structuredClone(value) as Record<string, unknown>;
  for (const error of errors) remove(sound, blamed(error));
  return { problems: errors.map((error) => asProblem(error, pointer)), sound };
}

/** Where the blame lies: the key itself when a key is wrong. Null: nothing to take away. */
function blamed({ keyword, instancePath, params }: ErrorObject): string | null {
  switch (keyword) {
    case 'additionalProperties':
      return pointerTo(instancePath, params['additionalProperty'] as string);
    case 'propertyNames':
      return pointerTo(instancePath, params['propertyName'] as string);
    case 'required':
    case 'oneOf':
      return null;
    default:
      return instancePath;
  }
}

function remove(root: Record<string, unknown>, pointer: string | null): void {
  if (pointer === null || pointer === '') return;
  const tokens = pointerTokens(pointer);
  const last = tokens.at(-1) ?? '';
  let holder: unknown = root;
  for (const token of tokens.slice(0, -1)) {
    if (typeof holder !== 'object' || holder === null) return;
    holder = (holder as Record<string, unknown>)[token];
  }
  if (Array.isArray(holder)) holder[Number(last)] = undefined;
  else if (typeof holder === 'object' && holder !== null) {
    delete (holder as Record<string, unknown>)[last];
  }
}

function asProblem(error: ErrorObject, base: string): Problem {
  const pointer = base + (blamed(error) ?? error.instancePath);
  const inWords = (error.parentSchema as { allowed?: string } | undefined)?.allowed;
  const { params } = error;
  switch (error.keyword) {
    case 'additionalProperties': {
      const key = params['additionalProperty'] as string;
      const keys = Object.keys(
        (error.parentSchema as { properties?: Record<string, unknown> }).properties ?? {},
      );
      return {
        code: 'E_SCHEMA',
        pointer,
        message: `unknown key '${key.slice(0, 60)}'${didYouMean(key, keys)}`,
        allowed: quoted(keys),
      };
    }
    case 'propertyNames':
      return problem('E_SCHEMA', pointer, 'this name is not allowed here', {
        given: shown(params['propertyName']),
        allowed: inWords ?? (error.schema as { allowed?: string }).allowed,
      });
    case 'required': {
      const key = params['missingProperty'] as string;
      return key === 'max_iterations'
        ? problem('E_LOOP_UNBOUNDED', pointer, `the loop has no 'max_iterations'`, {
            allowed: `1 to ${LIMITS.loopIterations}`,
          })
        : problem('E_SCHEMA', pointer, `'${key}' is missing`, {
            allowed: describe(error.parentSchema, key),
          });
    }
    case 'oneOf': {
      const both = params['passingSchemas'] !== null;
      return problem(
        'E_SCHEMA',
        pointer,
        both ? 'two keys exclude each other' : 'a key is missing',
        {
          allowed: inWords,
        },
      );
    }
    case 'enum': {
      const values = (params['allowedValues'] as readonly string[]).map(String);
      const guess = typeof error.data === 'string' ? didYouMean(error.data, values) : '';
      return problem('E_SCHEMA', pointer, `unknown value${guess}`, {
        given: shown(error.data),
        allowed: quoted(values),
      });
    }
    case 'const':
      return problem('E_SCHEMA', pointer, 'another value is needed', {
        given: shown(error.data),
        allowed: shown(params['allowedValue']),
      });
    case 'pattern':
      return problem('E_SCHEMA', pointer, 'the text does not have the right form', {
        given: shown(error.data),
        allowed: inWords ?? `a text that matches ${String(params['pattern'])}`,
      });
    case 'durationBetween': {
      const [least, most] = error.schema as readonly [number, number];
      return problem('E_SCHEMA', pointer, 'the duration is out of range', {
        given: shown(error.data),
        allowed: `${formatDuration(least)} to ${formatDuration(most)}`,
      });
    }
    case 'uniqueItems':
      return problem(
        'E_SCHEMA',
        pointer,
        `item ${Number(params['i'])} repeats item ${Number(params['j'])}`,
        {
          allowed: 'every item once',
        },
      );
    case 'type':
      return problem('E_SCHEMA', pointer, 'the value has the wrong type', {
        given: shown(error.data),
        allowed: inWords ?? typeInWords(params['type']),
      });
    case 'anyOf':
      return problem('E_SCHEMA', pointer, 'the value does not have the right form', {
        given: shown(error.data),
        allowed: inWords,
      });
    default:
      // Limits of length, number and size.
      return problem('E_SCHEMA', pointer, `the value is out of range`, {
        given: shown(error.data),
        allowed: allowedBy(error.parentSchema ?? {}),
      });
  }
}

function problem(
  code: string,
  pointer: string,
  message: string,
  { given, allowed }: { given?: string; allowed?: string | undefined },
): Problem {
  return {
    code,
    pointer,
    message,
    ...(given === undefined ? {} : { given }),
    ...(allowed === undefined ? {} : { allowed }),
  };
}

/** `; did you mean 'x'?` when something is near, else nothing. */
export function didYouMean(name: string, candidates: Iterable<string>): string {
  const near = nearest(name.slice(0, 80), candidates);
  return near === null ? '' : `; did you mean '${near}'?`;
}

function typeInWords(type: unknown): string {
  const types = Array.isArray(type) ? type : [type];
  return types
    .map((one) => (one === 'integer' ? 'a whole number' : `a value of type ${one}`))
    .join(' or ');
}

function describe(schema: AnySchemaObject | undefined, key: string): string | undefined {
  const member = (
    schema as { properties?: Record<string, { allowed?: string; description?: string }> }
  )?.properties?.[key];
  return member?.allowed ?? member?.description;
}
