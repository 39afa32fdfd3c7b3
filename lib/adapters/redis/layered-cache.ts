/**
 * A process's own values in front of those that all processes share, in front of the source.
 *
 *  Y1 what the shared values do not answer, or answer badly, the source is asked: a process alone works as
 *     well, and the breaker sees to it that an answer is waited for a few times only;
 *  Y2 who waits for a read that is under way gets what it finds; once a name is written or forgotten in this
 *     process, what was being read then is kept by nobody and later readers begin anew;
 *  Y3 a value is held as it was read, by reference: whoever reads it must not change it.
 */
import { LRUCache } from 'lru-cache';
import type { Breaker } from '#adapters/breaker/breaker.ts';
import { HELD_LIMITS } from '#config/caches.ts';
import { METRICS } from '#config/metrics.ts';
import type { Cache, Cached, CacheKind, CacheName, Forgotten } from '#ports/cache.ts';
import type { Clock } from '#ports/clock.ts';
import type { Metrics } from '#ports/metrics.ts';
import { keyOf } from './keys.ts';
import type { SharedValues } from './shared-values.ts';

interface Held {
  /** Null: there is nothing. */
  readonly value: unknown;
  readonly revision: number;
}

/** A read that is under way: whether what it finds may be kept. */
interface Flight {
  counts: boolean;
}

export interface LayeredCacheDeps {
  /** Null: there are none, or none yet. */
  readonly shared: () => SharedValues | null;
  /** There will never be any. */
  readonly alone: boolean;
  readonly breaker: Breaker;
  readonly clock: Pick<Clock, 'monotonic'>;
  readonly metrics: Metrics;
  /** Of what this process holds; default: HELD_LIMITS. */
  readonly limits?: { readonly entries: number; readonly bytes: number };
}

/** What an entry takes besides its text, roughly. */
const ENTRY_BYTES = 200;

export function createLayeredCache(deps: LayeredCacheDeps): Cache {
  const { breaker, clock, metrics, limits = HELD_LIMITS } = deps;
  const held = new LRUCache<string, Held>({
    max: limits.entries,
    maxSize: limits.bytes,
    ttlResolution: 0,
    perf: { now: () => clock.monotonic() },
  });
  const flights = new Map<string, { readonly flight: Flight; readonly answer: Promise<unknown> }>();

  function hold(kind: CacheKind, key: string, entry: Held, bytes: number): void {
    const ttl = entry.value === null ? Math.min(kind.absentMs, kind.heldMs) : kind.heldMs;
    const size = bytes + ENTRY_BYTES;
    if (ttl <= 0 || size > limits.bytes) return;
    const now = held.get(key);
    if (now !== undefined && now.revision > entry.revision) return;
    held.set(key, entry, { ttl, size });
  }

  /** What the shared values answer; null: nothing, or nothing that can be used. */
  async function ask<T>(
    kind: CacheKind,
    call: (shared: SharedValues) => Promise<T>,
  ): Promise<T | null> {
    const shared = deps.shared();
    if (shared === null) return null;
    try {
      return await breaker.run(() => call(shared));
    } catch {
      // Told by the breaker, by the connection, and here.
      metrics.add(METRICS.CacheFailures, { Cache: kind.name });
      return null;
    }
  }

  return {
    of<V>(kind: CacheKind, revisionOf?: (value: V) => number): Cached<V> {
      const Cache = kind.name;

      async function fromShared(name: CacheName, key: string, flight: Flight) {
        const found = await ask(kind, (shared) => shared.get(kind, name));
        if (found === null || found.kind === 'nothing') return null;
        const { text, revision } = found.kind === 'found' ? found.value : UNUSABLE;
        const value = text === null ? null : parse<V>(text);
        if (found.kind === 'unusable' || value === undefined) {
          metrics.add(METRICS.CacheUnusable, { Cache, Reason: 'foreign' });
          return null;
        }
        if (flight.counts) hold(kind, key, { value, revision: revision ?? 0 }, sizeOf(text));
        return { value };
      }

      async function fill(name: CacheName, value: V | null, key: string, flight: Flight) {
        const text = value === null ? null : JSON.stringify(value);
        const bytes = sizeOf(text);
        if (bytes > kind.maxBytes) {
          metrics.add(METRICS.CacheUnusable, { Cache, Reason: 'large' });
          return;
        }
        const revision = revisionOf === undefined ? null : value === null ? 0 : revisionOf(value);
        if (!flight.counts) return;
        hold(kind, key, { value, revision: revision ?? 0 }, bytes);
        if (value !== null || kind.absentMs > 0) {
          await ask(kind, (shared) => shared.put(kind, name, { revision, text }));
        }
      }

      async function look(
        name: CacheName,
        key: string,
        load: () => Promise<V | null>,
        flight: Flight,
      ): Promise<V | null> {
        const found = await fromShared(name, key, flight);
        metrics.add(METRICS.CacheReads, { Cache, From: found === null ? 'source' : 'shared' });
        if (found !== null) return found.value;
        const value = await load();
        await fill(name, value, key, flight);
        return value;
      }

      /** What is being read of a key, or of all that begin so, came too early to be kept. */
      function interrupt(isOf: (key: string) => boolean): void {
        for (const [key, { flight }] of flights) {
          if (!isOf(key)) continue;
          flight.counts = false;
          flights.delete(key);
        }
      }

      return {
        read(name, load) {
          const key = keyOf(kind, name);
          const known = held.get(key);
          if (known !== undefined) {
            metrics.add(METRICS.CacheReads, { Cache, From: 'process' });
            return Promise.resolve(known.value as V | null);
          }
          const running = flights.get(key);
          if (running !== undefined) {
            metrics.add(METRICS.CacheReads, { Cache, From: 'process' });
            return running.answer as Promise<V | null>;
          }
          const flight = { counts: true };
          const answer = look(name, key, load, flight).finally(() => {
            if (flights.get(key)?.flight === flight) flights.delete(key);
          });
          flights.set(key, { flight, answer });
          return answer;
        },

        async write(name, value) {
          const key = keyOf(kind, name);
          interrupt((other) => other === key);
          await fill(name, value, key, { counts: true });
        },

        async forget(name, revision) {
          const key = keyOf(kind, name);
          interrupt((other) => other === key);
          held.delete(key);
          if (deps.shared() === null) return deps.alone;
          const told = await ask(kind, async (shared) => {
            await shared.forget(kind, name, revision ?? null);
            return true;
          });
          return told === true;
        },

        async forgetUnder(name): Promise<Forgotten | null> {
          const prefix = `${keyOf(kind, name)}:`;
          interrupt((other) => other.startsWith(prefix));
          let count = 0;
          for (const key of held.keys()) {
            if (key.startsWith(prefix) && held.delete(key)) count += 1;
          }
          if (deps.shared() === null) return deps.alone ? { count, whole: true } : null;
          return ask(kind, (shared) => shared.forgetUnder(kind, name));
        },
      };
    },
  };
}

const UNUSABLE = { text: null, revision: 0 } as const;

/** Undefined: it is no JSON, which nobody has sealed. */
function parse<V>(text: string): V | undefined {
  try {
    return JSON.parse(text) as V;
  } catch {
    return undefined;
  }
}

function sizeOf(text: string | null): number {
  return text === null ? 0 : Buffer.byteLength(text);
}
