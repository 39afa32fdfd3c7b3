import { LRUCache } from 'lru-cache';
import type { Problem } from '#core/errors.ts';
import type { JsonObject } from '#core/json.ts';
import type { Machine } from './machine.ts';
import { type ParseMachineResult, parseMachine } from './parse-machine.ts';
import type { Definitions } from './runtime-types.ts';

const KEPT_MACHINES = 500;

/** Loads and parses machines, each definition once for as long as its owner keeps the object. */
export function createMachineLoader(
  definitions: Definitions,
): (arn: string) => Promise<Machine | { readonly problems: readonly Problem[] } | null> {
  const machines = new LRUCache<string, Machine>({ max: KEPT_MACHINES });
  // Many ARNs may name one definition.
  const parsed = new WeakMap<JsonObject, ParseMachineResult>();
  return async (arn) => {
    const known = machines.get(arn);
    if (known !== undefined) return known;
    const definition = await definitions.load(arn);
    if (definition === null) return null;
    const result = parsed.get(definition) ?? parseMachine(definition);
    parsed.set(definition, result);
    if (!result.ok) return { problems: result.problems };
    machines.set(arn, result.machine);
    return result.machine;
  };
}
