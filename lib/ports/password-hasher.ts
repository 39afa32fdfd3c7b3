/**
 * Slow hashes of passwords (Argon2id). A call takes a fifth of a second of a whole core and 64 MiB, so
 * callers bound how many run at once; the adapter does not.
 */
export interface PasswordHasher {
  /** The hash with its parameters and salt in one text (PHC form). */
  hash(password: string): Promise<string>;
  /** False: another password. Throws on a text that is no hash. */
  verify(hash: string, password: string): Promise<boolean>;
  /** Made with other parameters than `hash` uses now. */
  needsRehash(hash: string): boolean;
}
