import type { Clock } from '#ports/clock.ts';

/**
 * Several keys of one purpose, so that one can follow another and nothing that is under way breaks.
 *
 *  K1 which key is used depends on the time alone: the newest whose day has come. All processes that know
 *     the ring agree, and a process can tell which one another used at another time.
 *  K2 a key stands in the ring long before it is used, so that every process knows it by then.
 *  K3 what any key of the ring closed can be opened.
 *
 * Read, it is the text of a secret: JSON, or one key in base64 as it was first made.
 */
export interface RingKey {
  readonly key: Uint8Array;
  /** Used from then on, in milliseconds since the epoch. */
  readonly from: number;
}

/** Oldest first; never empty. */
export type KeyRing = readonly [RingKey, ...RingKey[]];

/** What programs ask of a ring. */
export interface Keys {
  now(): Uint8Array;
  /** The one that is used at a time. */
  at(ms: number): Uint8Array;
  /** Newest first. */
  all(): readonly Uint8Array[];
}

export interface TurnPolicy {
  readonly usedMs: number;
  readonly aheadMs: number;
  /** Null: for ever. */
  readonly keptMs: number | null;
}

export interface Turned {
  readonly ring: KeyRing;
  /** When the key that was made will be used; null: none was made. */
  readonly madeFor: number | null;
  readonly dropped: number;
}

const KEY_BYTES = 32;
/** Fifteen years of keys for 90 days each. */
const MAX_KEYS = 60;
/** A key that is late is used no sooner than that: long enough for every process to know it. */
const LEAST_AHEAD_MS = 86_400_000;

/** A ring that never turns. */
export function oneKey(key: Uint8Array): Keys {
  checkKey(key);
  return { now: () => key, at: () => key, all: () => [key] };
}

/** `ring` may answer another one over time. */
export function keysOf(ring: () => KeyRing, clock: Pick<Clock, 'now'>): Keys {
  const at = (ms: number) => usedAt(ring(), ms).key;
  return {
    now: () => at(clock.now()),
    at,
    all: () =>
      ring()
        .map(({ key }) => key)
        .reverse(),
  };
}

/** The newest whose day has come; before any, the first. */
export function usedAt(ring: KeyRing, ms: number): RingKey {
  return ring.findLast(({ from }) => from <= ms) ?? ring[0];
}

/**
 * `since`: when the secret was written, for a secret that does not say it. Throws a TypeError that holds
 * nothing of the text.
 */
export function readKeyRing(text: string, since: number): KeyRing {
  if (!text.startsWith('{')) return [ringKey(text, since)];
  const refuse = (): never => {
    throw new TypeError('the secret is no ring of keys: {"keys": [{"key": base64, "from": time}]}');
  };
  let said: unknown;
  try {
    said = JSON.parse(text);
  } catch {
    return refuse();
  }
  const { keys } = said as { readonly keys?: unknown };
  if (!Array.isArray(keys) || keys.length > MAX_KEYS) return refuse();
  const ring = (keys as readonly { readonly key?: unknown; readonly from?: unknown }[]).map(
    ({ key, from }) => {
      const time = typeof from === 'string' ? Date.parse(from) : Number.NaN;
      return typeof key === 'string' && !Number.isNaN(time) ? ringKey(key, time) : refuse();
    },
  );
  const [first, ...others] = ring.toSorted((a, b) => a.from - b.from);
  return first === undefined ? refuse() : [first, ...others];
}

export function writeKeyRing(ring: KeyRing): string {
  const keys = ring.map(({ key, from }) => ({
    key: Buffer.from(key).toString('base64'),
    from: new Date(from).toISOString(),
  }));
  return JSON.stringify({ keys });
}

/** What the ring is to be now. Asked twice, it answers the second time what it was given. */
export function turnKeyRing(
  ring: KeyRing,
  now: number,
  makeKey: () => Uint8Array,
  { usedMs, aheadMs, keptMs }: TurnPolicy,
): Turned {
  const newest = ring.at(-1) ?? ring[0];
  const due = newest.from + usedMs;
  const next = { key: makeKey(), from: Math.max(due, now + LEAST_AHEAD_MS) };
  const made = now >= due - aheadMs ? [next] : [];
  if (made.length > 0 && ring.length >= MAX_KEYS) {
    throw new TypeError(`the ring has ${ring.length} keys, which is all that it can hold`);
  }
  const isOver = (follower: RingKey | undefined): boolean =>
    keptMs !== null && follower !== undefined && follower.from + keptMs <= now;
  const kept = ring.filter((_, index) => !isOver(ring[index + 1]));
  const [first = newest, ...others] = [...kept, ...made];
  return {
    ring: [first, ...others],
    madeFor: made[0]?.from ?? null,
    dropped: ring.length - kept.length,
  };
}

function ringKey(text: string, from: number): RingKey {
  const key = Buffer.from(text, 'base64');
  checkKey(key);
  return { key, from };
}

function checkKey(key: Uint8Array): void {
  if (key.byteLength < KEY_BYTES) {
    throw new TypeError(`a key has ${key.byteLength} bytes; use at least ${KEY_BYTES}`);
  }
}
