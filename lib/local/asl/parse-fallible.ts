/** What kinds of states share: Retry and Catch, and `Assign` with `Output`. */
import { isJsonObject, type JsonObject, pointerTo } from '#core/json.ts';
import { type Catcher, LIMITS, type Retrier, type Template } from './machine.ts';
import type { Reader } from './read-fields.ts';

/** `prefix` is the place of a rule or Catcher in event locations: `Choices[0]/`. */
export function parseAssignOutput(
  given: JsonObject,
  pointer: string,
  reader: Reader,
  prefix: string,
  inCatcher: boolean,
): { assign: Template | null; output: Template | null } {
  const assign = reader.object(given, pointer, 'Assign');
  for (const variable of Object.keys(assign ?? {})) {
    const at = pointerTo(pointer, 'Assign', variable);
    // `__proto__` would be no member of the bindings but their prototype.
    if (variable === 'states' || variable === '__proto__') {
      reader.problem('SCHEMA_VALIDATION_FAILED', at, `'${variable}' is reserved`, variable);
    } else if (
      variable.length > LIMITS.nameLength ||
      !/^[\p{ID_Start}_][\p{ID_Continue}]*$/u.test(variable)
    ) {
      reader.problem(
        'SCHEMA_VALIDATION_FAILED',
        at,
        `a variable's name is an identifier of at most ${LIMITS.nameLength} characters`,
        variable,
      );
    }
  }
  const options = { inCatcher };
  return {
    assign:
      assign === null
        ? null
        : reader.template(given, pointer, 'Assign', { ...options, location: `${prefix}Assign` }),
    output: reader.template(given, pointer, 'Output', { ...options, location: `${prefix}Output` }),
  };
}

export function parseFallible(
  given: JsonObject,
  pointer: string,
  reader: Reader,
): { retry: readonly Retrier[]; catch: readonly Catcher[] } {
  const retry: Retrier[] = [];
  const catchers: Catcher[] = [];
  each(given, pointer, 'Retry', reader, (retrier, at) => {
    reader.fields(retrier, at, 'retrier', [
      ...['ErrorEquals', 'IntervalSeconds', 'MaxAttempts', 'BackoffRate', 'MaxDelaySeconds'],
      ...['JitterStrategy', 'Comment'],
    ]);
    retry.push({
      errorEquals: reader.strings(retrier, at, 'ErrorEquals'),
      intervalSeconds: reader.integer(retrier, at, 'IntervalSeconds', 1, LIMITS.seconds) ?? 1,
      maxAttempts: reader.integer(retrier, at, 'MaxAttempts', 0, LIMITS.seconds) ?? 3,
      backoffRate: reader.number(retrier, at, 'BackoffRate', 1, Number.MAX_VALUE) ?? 2,
      maxDelaySeconds: reader.integer(retrier, at, 'MaxDelaySeconds', 1, 31_622_399),
      jitter: reader.oneOf(retrier, at, 'JitterStrategy', ['NONE', 'FULL']) ?? 'NONE',
    });
  });
  each(given, pointer, 'Catch', reader, (catcher, at, index) => {
    reader.fields(catcher, at, 'catcher', ['ErrorEquals', 'Next', 'Assign', 'Output', 'Comment']);
    catchers.push({
      errorEquals: reader.strings(catcher, at, 'ErrorEquals'),
      next: reader.string(catcher, at, 'Next', 'required') ?? '',
      ...parseAssignOutput(catcher, at, reader, `Catch[${index}]/`, true),
    });
  });
  checkWildcards(retry, pointerTo(pointer, 'Retry'), reader);
  checkWildcards(catchers, pointerTo(pointer, 'Catch'), reader);
  return { retry, catch: catchers };
}

/** `States.ALL` stands alone and last. */
function checkWildcards(
  list: readonly { readonly errorEquals: readonly string[] }[],
  pointer: string,
  reader: Reader,
): void {
  list.forEach(({ errorEquals }, index) => {
    if (!errorEquals.includes('States.ALL')) return;
    if (errorEquals.length === 1 && index === list.length - 1) return;
    reader.problem(
      'SCHEMA_VALIDATION_FAILED',
      pointerTo(pointer, index, 'ErrorEquals'),
      "'States.ALL' must be alone in its list, and its list the last",
      [...errorEquals],
    );
  });
}

function each(
  given: JsonObject,
  pointer: string,
  field: string,
  reader: Reader,
  read: (member: JsonObject, pointer: string, index: number) => void,
): void {
  (reader.array(given, pointer, field) ?? []).forEach((member, index) => {
    const at = pointerTo(pointer, field, index);
    if (isJsonObject(member)) read(member, at, index);
    else
      reader.problem('SCHEMA_VALIDATION_FAILED', at, `a member of '${field}' is an object`, member);
  });
}
