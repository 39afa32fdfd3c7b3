/**
 * What is kept besides where it is written, by kind. A value of a kind that says `never` changes leads to
 * the same for ever: which of them counts now is asked of the database every time. One that may change is
 * for answers alone that may lag (`reads` of a route). Nothing else is kept: no credential, session,
 * permission, secret or revocation, nor anything that an execution is decided by and that can change.
 */
interface CacheSpec {
  readonly about: string;
  readonly format: number;
  readonly shared: { readonly ms: number; readonly spread: number };
  readonly heldMs: number;
  readonly absentMs: number;
  readonly maxBytes: number;
  readonly changes: 'never' | 'with a revision';
  /** How it comes into the cache. */
  readonly filled: readonly ('when it is read' | 'when it is written' | 'every hour')[];
  /** Types of events after which it is forgotten. */
  readonly forgottenOn: readonly string[];
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** How long something is kept at most; chance takes a part away, so that nothing ends all at once. */
export const CACHE_CLASSES = {
  /** What changes often. */
  minutes: { ms: 5 * MINUTE, spread: 0.2 },
  hour: { ms: HOUR, spread: 0.1 },
  /** What never changes. */
  day: { ms: 24 * HOUR, spread: 0.1 },
} as const;

/** Of a process, for all kinds together. */
export const HELD_LIMITS = { entries: 1_000, bytes: 64_000_000 } as const;

const declared = {
  workflow: {
    about:
      'a workflow as lists and its versions are shown under: its current version, whether it is paused',
    format: 1,
    shared: CACHE_CLASSES.minutes,
    heldMs: 2 * SECOND,
    // Who finds nothing asks the writer, who has to look anyway.
    absentMs: 0,
    maxBytes: 100_000,
    changes: 'with a revision',
    filled: ['when it is read'],
    forgottenOn: ['workflow.definition.changed'],
  },
  'workflow-version': {
    about:
      'a version of a workflow: its definition, its program and what was found when it was checked',
    format: 1,
    shared: CACHE_CLASSES.day,
    heldMs: HOUR,
    // Somebody may store it a moment later, and start it.
    absentMs: 0,
    maxBytes: 2_000_000,
    changes: 'never',
    filled: ['when it is read', 'every hour'],
    forgottenOn: ['workflow.definition.changed'],
  },
  program: {
    about:
      'what a version of a workflow was compiled to, under its hash, which executions are pinned to',
    format: 1,
    shared: CACHE_CLASSES.day,
    heldMs: HOUR,
    absentMs: 0,
    maxBytes: 2_000_000,
    changes: 'never',
    filled: ['when it is read', 'every hour'],
    // What runs keeps the program of a version that was deleted.
    forgottenOn: [],
  },
  'user-profile': {
    about:
      'who whoever calls is, as they are shown to themselves; held at every call against how new their row is',
    format: 1,
    shared: CACHE_CLASSES.minutes,
    // Whoever changed theirs through one process sees it through the next.
    heldMs: 0,
    absentMs: 0,
    maxBytes: 20_000,
    changes: 'with a revision',
    filled: ['when it is read', 'when it is written'],
    forgottenOn: [],
  },
} as const satisfies Record<string, CacheSpec>;

export type CacheKindName = keyof typeof declared;

type Catalogue = {
  readonly [Name in CacheKindName]: (typeof declared)[Name] & { readonly name: Name };
};

/** The declarations, each with its name. */
export const CACHES = Object.fromEntries(
  Object.entries(declared).map(([name, kind]) => [name, { name, ...kind }]),
) as Catalogue;

export const cacheKindNames = Object.keys(CACHES) as CacheKindName[];

/** What is written into the cache every hour: the workflows that were started most in these days. */
export const WARMING = { workflows: 1_000, days: 1, atATime: 8 } as const;

/** How far a look through a node of the cache goes: keys a command, commands a node. */
export const LOOK_THROUGH = { keys: 1_000, commands: 10_000 } as const;
