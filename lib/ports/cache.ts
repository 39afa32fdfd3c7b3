/**
 * Keeps what can be read again where it is written, and may lose any of it at any moment.
 *
 *  H1 Nothing depends on it but how soon something is known: while it is away, slow, empty or lying, what is
 *     answered is what the source says.
 *  H2 What a tenant's name leads to is that tenant's alone, and what was written for one name is never
 *     answered for another.
 *  H3 Of one name nothing older replaces anything newer, where its kind knows how old a value is.
 *  H4 Of all who ask one process for one name at a time one asks the source, and the others wait for it.
 *  H5 A value is younger than its kind says, or is not answered: that is the longest anybody is told what
 *     has changed meanwhile, whatever went wrong with forgetting it.
 *
 * Never asked where somebody's rights, secrets or sessions are decided, nor by what runs executions about
 * anything that changes.
 */
export interface Cache {
  /**
   * The values of one kind, which are JSON. `revisionOf`: a whole number that grows with every change of
   * what a name leads to; for kinds whose values change.
   */
  of<V>(kind: CacheKind, revisionOf?: (value: V) => number): Cached<V>;
}

/** As a table declares it. */
export interface CacheKind {
  /** Stands in keys and in metrics. */
  readonly name: string;
  /** Of the shape of a value: another shape is another number, and nothing of the old one is read. */
  readonly format: number;
  /** For how long all processes may share a value; `spread`: the part of it that chance takes away. */
  readonly shared: { readonly ms: number; readonly spread: number };
  /** How much longer one process may hold what it read. */
  readonly heldMs: number;
  /** For how long that there is nothing is kept; 0: not at all. */
  readonly absentMs: number;
  /** A larger value is not kept; in UTF-8, as JSON. */
  readonly maxBytes: number;
}

export interface CacheName {
  readonly tenant: string;
  /** From the most general to the most special, at least one. */
  readonly parts: readonly string[];
}

export interface Cached<V> {
  /** What is kept, or else what `load` answers, which is then kept; null: there is nothing. Rejects as `load` does. */
  read(name: CacheName, load: () => Promise<V | null>): Promise<V | null>;
  /** For whoever has just committed it. Never rejects. */
  write(name: CacheName, value: V): Promise<void>;
  /**
   * For whoever has just committed that it is another: nothing older than `revision` is kept from then on.
   * Answers whether all have forgotten it; if not, it is told again by what tells of changes.
   */
  forget(name: CacheName, revision?: number): Promise<boolean>;
  /**
   * All names that begin like this. Looks through everything there is, so for what happens seldom. Null:
   * there was no answer.
   */
  forgetUnder(name: CacheName): Promise<Forgotten | null>;
}

export interface Forgotten {
  readonly count: number;
  /** False: there was more to look through than is looked through at a time. */
  readonly whole: boolean;
}

/** For whoever keeps nothing. */
export const NO_CACHE: Cache = {
  of: () => ({
    read: (_, load) => load(),
    write: () => Promise.resolve(),
    forget: () => Promise.resolve(true),
    forgetUnder: () => Promise.resolve({ count: 0, whole: true }),
  }),
};
