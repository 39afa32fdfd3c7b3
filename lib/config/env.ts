/**
 * What each deployed function is told by its environment: read by the code that deploys it and by the
 * code that runs, so a missing key does not compile in one and stops the start of the other.
 */
const API = [
  /** Of a login that may become `cloudflow_app`. */
  'DATABASE_URL',
  /** At least 32 random bytes in base64, the same in every function of the API. */
  'CURSOR_KEY',
  /** Where the API is reached from outside. */
  'PUBLIC_URL',
  /** What `auto` means where both runtimes can do it: `engine` or `step_functions`. */
  'PREFERRED_RUNTIME',
  /** Origins of web clients, separated by commas; may be empty. */
  'ALLOWED_ORIGINS',
] as const;

export const FUNCTION_ENV = {
  'workflows-api': API,
  'executions-api': API,
} as const satisfies Record<string, readonly string[]>;

export type FunctionName = keyof typeof FUNCTION_ENV;
export type FunctionEnv<Name extends FunctionName> = {
  readonly [Key in (typeof FUNCTION_ENV)[Name][number]]: string;
};

/** Throws at the start, naming every key that is missing, so that nobody looks for them one by one. */
export function readEnv<Name extends FunctionName>(
  name: Name,
  source: Readonly<Record<string, string | undefined>>,
): FunctionEnv<Name> {
  const keys: readonly string[] = FUNCTION_ENV[name];
  const missing = keys.filter((key) => source[key] === undefined);
  if (missing.length > 0) {
    throw new TypeError(`${name} needs ${missing.join(', ')} in its environment`);
  }
  return Object.fromEntries(keys.map((key) => [key, source[key]])) as FunctionEnv<Name>;
}
