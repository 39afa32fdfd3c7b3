/**
 * Guesses at passwords, counted before anything is hashed. Keys are digests, so that what is stored
 * names nobody; accounts that do not exist count like those that do.
 */
export interface LoginGuard {
  /** Counts one guess under every key, atomically; a time: no guess before then, and none counted. */
  reserve(keys: readonly GuessKey[], now: number, windowMs: number): Promise<number | null>;
  /** The guess was right: forgets the key. */
  forget(key: Uint8Array): Promise<void>;
  /** The guess was right: it does not count under these. */
  giveBack(keys: readonly Uint8Array[]): Promise<void>;
}

export interface GuessKey {
  readonly key: Uint8Array;
  /** Guesses within the window. */
  readonly limit: number;
}
