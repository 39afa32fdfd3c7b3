import type { ProgramName } from './functions.ts';
import { CONTAINER_ENV, FUNCTION_ENV } from './program-env.ts';
import type { EnvKey } from './variables.ts';

const ENV = { ...FUNCTION_ENV, ...CONTAINER_ENV } satisfies Record<ProgramName, readonly EnvKey[]>;

/** Keys of one program's environment. */
export type EnvKeyOf<Name extends ProgramName> = (typeof ENV)[Name][number];

/** A program's environment: what a deployment must give, and what the program reads. */
export type ProgramEnv<Name extends ProgramName> = {
  readonly [Key in EnvKeyOf<Name>]: string;
};

/** Throws at the start, naming every key that is missing, so that nobody looks for them one by one. */
export function readEnv<Name extends ProgramName>(
  name: Name,
  source: Readonly<Record<string, string | undefined>>,
): ProgramEnv<Name> {
  const keys: readonly EnvKey[] = ENV[name];
  const missing = keys.filter((key) => source[key] === undefined);
  if (missing.length > 0) {
    throw new TypeError(`${name} needs ${missing.join(', ')} in its environment`);
  }
  return Object.fromEntries(keys.map((key) => [key, source[key]])) as ProgramEnv<Name>;
}
