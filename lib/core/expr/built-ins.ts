import jsonata from 'jsonata';
import type { Original } from '#core/expr/function-context.ts';

// jsonata's own functions. It exports none of them, but an expression that names one yields it.

export type Implementation = (this: unknown, ...args: readonly unknown[]) => unknown;

/** A function as jsonata keeps it: `assign` of such an object binds a function. */
export interface BuiltIn {
  readonly implementation: Implementation;
}

/** What jsonata has beyond the portable language and Step Functions has too. */
const BEYOND = ['shuffle'];

let loading: Promise<ReadonlyMap<string, BuiltIn>> | null = null;

/** By name, those of `names` that jsonata has. */
export function builtIns(names: Iterable<string>): Promise<ReadonlyMap<string, BuiltIn>> {
  loading ??= (async () => {
    const found = new Map<string, BuiltIn>();
    for (const name of [...names, ...BEYOND]) {
      const definition: unknown = await jsonata(`$${name}`).evaluate(undefined);
      if (isBuiltIn(definition)) found.set(name, definition);
    }
    return found;
  })();
  return loading;
}

function isBuiltIn(value: unknown): value is BuiltIn {
  return typeof (value as { implementation?: unknown } | undefined)?.implementation === 'function';
}

/** A built-in to be called by a function of ours. */
export function originalOf(found: ReadonlyMap<string, BuiltIn>, name: string): Original {
  const builtIn = found.get(name);
  if (builtIn === undefined) throw new TypeError(`jsonata has no function $${name}`);
  return (focus, ...args) => builtIn.implementation.apply(focus, [...args]);
}

/**
 * The same function, which first calls `turn`. jsonata reads how many parameters a function has and,
 * from its source, their names: both stay.
 */
export function announced(implementation: Implementation, turn: () => void): Implementation {
  const call: Implementation = function (...args) {
    turn();
    return implementation.apply(this, [...args]);
  };
  return Object.defineProperties(call, {
    length: { value: implementation.length },
    toString: { value: () => implementation.toString() },
  });
}
