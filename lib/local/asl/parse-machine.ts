/**
 * From a definition to a Machine, or to every reason why not.
 *
 * Supported is what the compiler emits and what stands on the same ground: the JSONata mode of the
 * States Language, Standard workflows, inline maps, and the three resources of machine.ts. Anything
 * else is refused by name with a pointer, and never ignored.
 */
import type { Problem } from '#core/errors.ts';
import { isJsonObject, type Json, type JsonObject, jsonBytes, pointerTo } from '#core/json.ts';
import { checkMachine } from './check-machine.ts';
import { LIMITS, type Machine, type Scope, type State } from './machine.ts';
import { parseState } from './parse-state.ts';
import { Reader } from './read-fields.ts';

export type ParseMachineResult =
  | { readonly ok: true; readonly machine: Machine }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** All problems of a definition in one answer, in document order. */
export function parseMachine(definition: Json): ParseMachineResult {
  const problems: Problem[] = [];
  const reader = new Reader(problems);
  if (!isJsonObject(definition)) {
    reader.problem('SCHEMA_VALIDATION_FAILED', '', 'a state machine is an object');
    return { ok: false, problems };
  }
  if (isDeeperThan(definition, LIMITS.depth)) {
    reader.problem(
      'SCHEMA_VALIDATION_FAILED',
      '',
      `the definition nests deeper than ${LIMITS.depth} levels; flatten it`,
    );
    return { ok: false, problems };
  }
  const bytes = jsonBytes(definition);
  if (bytes > LIMITS.definitionBytes) {
    reader.problem(
      'SCHEMA_VALIDATION_FAILED',
      '',
      `the definition has ${bytes} bytes; at most ${LIMITS.definitionBytes} are allowed`,
    );
    return { ok: false, problems };
  }

  reader.fields(definition, '', 'state machine', [
    'Comment',
    'QueryLanguage',
    'StartAt',
    'States',
    'TimeoutSeconds',
    'Version',
  ]);
  const language = reader.oneOf(definition, '', 'QueryLanguage', ['JSONata', 'JSONPath']);
  const comment = reader.string(definition, '', 'Comment');
  const version = reader.string(definition, '', 'Version');
  if (version !== null && version !== '1.0') {
    reader.problem('SCHEMA_VALIDATION_FAILED', '/Version', 'unknown version', version, '1.0');
  }
  const timeoutSeconds = reader.integer(definition, '', 'TimeoutSeconds', 1, LIMITS.seconds);
  // The default of AWS is JSONPath: a machine without the field must say JSONata in every state.
  const root = parseScope(definition, '', reader, language ?? 'JSONPath');
  if (root !== null) checkMachine(root, reader);
  if (root === null || problems.length > 0) return { ok: false, problems };
  return { ok: true, machine: { root, timeoutSeconds, comment } };
}

/** `StartAt` and `States`, which a machine, a branch and an item processor have in common. */
function parseScope(
  holder: JsonObject,
  pointer: string,
  reader: Reader,
  language: string,
): Scope | null {
  const startAt = reader.string(holder, pointer, 'StartAt', 'required');
  const given = reader.object(holder, pointer, 'States', 'required');
  if (given === null) return null;
  const states = new Map<string, State>();
  for (const [name, value] of Object.entries(given)) {
    const at = pointerTo(pointer, 'States', name);
    const state = parseState(name, value, at, {
      reader,
      language,
      parseScope: (inner, innerPointer) => parseScope(inner, innerPointer, reader, language),
    });
    if (state !== null) states.set(name, state);
    // A state that is wrong in itself still exists: its neighbours may point at it.
    else {
      states.set(name, { type: 'Succeed', name, output: null });
      reader.broken.add(pointer);
    }
  }
  if (states.size === 0) {
    reader.problem('SCHEMA_VALIDATION_FAILED', `${pointer}/States`, 'there are no states');
    return null;
  }
  return { pointer, startAt: startAt ?? '', states };
}

/** Level by level, without recursion: everything after this may recurse. */
function isDeeperThan(json: Json, limit: number): boolean {
  let level: readonly Json[] = [json];
  for (let depth = 0; depth <= limit; depth++) {
    level = level.flatMap((each) =>
      typeof each === 'object' && each !== null ? (Object.values(each) as Json[]) : [],
    );
    if (level.length === 0) return false;
  }
  return true;
}
