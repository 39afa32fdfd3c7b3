import type { Json, JsonObject } from '#core/json.ts';
import type { Machine } from './types.ts';

/**
 * A machine as asl-validator 4.0.0 can read it: a clone, because it writes into what it is given, with
 * arrays inside arrays as objects, because its schema of payloads leaves those out. AWS takes both.
 */
export function validatorView(machine: Machine): Json {
  // One cast: a machine is JSON by construction, which its optional fields do not say.
  return view(machine as unknown as Json, false);
}

function view(value: Json, inArray: boolean): Json {
  if (typeof value !== 'object' || value === null) return value;
  if (!Array.isArray(value)) {
    return Object.fromEntries(
      Object.entries(value as JsonObject).map(([key, member]) => [key, view(member, false)]),
    );
  }
  const items = value.map((item: Json) => view(item, true));
  return inArray ? Object.fromEntries(items.entries()) : items;
}
