/**
 * Reads of workflows as a day of many tenants has them: few are read most of the time and most hardly ever
 * (Zipf), through several processes, while now and then one gets another version. Seeded, and in a time
 * that the trace moves itself: the same reads have the same answers on every machine.
 */
import { createBreaker } from '#adapters/breaker/breaker.ts';
import { keyOf } from '#adapters/redis/keys.ts';
import { createLayeredCache } from '#adapters/redis/layered-cache.ts';
import type { SharedValue, SharedValues } from '#adapters/redis/shared-values.ts';
import { CACHES } from '#config/caches.ts';
import { NO_METRICS } from '#ports/metrics.ts';
import { seeded } from './processes.ts';

export interface Trace {
  readonly seed: number;
  readonly reads: number;
  readonly workflows: number;
  /** Of Zipf's law: 1 is what is usually found. */
  readonly exponent: number;
  readonly processes: number;
  readonly seconds: number;
  /** Reads for each of which, on average, one workflow gets another version. */
  readonly readsAChange: number;
}

export const DAYS_TRACE: Trace = {
  seed: 20261126,
  reads: 100_000,
  workflows: 5_000,
  exponent: 1,
  processes: 8,
  seconds: 3_600,
  readsAChange: 1_000,
};

/** A clock that the trace moves; in milliseconds. */
export interface TraceClock {
  now: number;
}

export interface Replayed {
  /** Where the reads of a kind were answered. */
  readonly from: Readonly<Record<'process' | 'shared' | 'source', number>>;
  /** Reads that were told what was not so any more, and by how many milliseconds at most. */
  readonly stale: number;
  readonly oldestMs: number;
}

/**
 * Replays a trace against shared values, which are made once for all processes. `own` false: no process holds
 * anything itself.
 */
export async function replayTrace(
  trace: Trace,
  kindName: 'workflow' | 'workflow-version',
  makeShared: (clock: TraceClock) => SharedValues,
  own = true,
): Promise<Replayed> {
  const random = seeded(trace.seed);
  const rank = zipf(trace.workflows, trace.exponent, random);
  const clock: TraceClock = { now: 1_000 };
  const shared = makeShared(clock);
  const from = { process: 0, shared: 0, source: 0 };
  const metrics: typeof NO_METRICS = {
    ...NO_METRICS,
    add(metric, dimensions) {
      if (metric.name !== 'CacheReads') return;
      from[(dimensions as { From: keyof typeof from }).From] += 1;
    },
  };
  const declared = CACHES[kindName];
  const kind = own ? declared : { ...declared, heldMs: 0 };
  interface Value {
    readonly revision: number;
  }
  const changes = declared.changes !== 'never';
  const caches = Array.from({ length: trace.processes }, () =>
    createLayeredCache({
      shared: () => shared,
      alone: false,
      breaker: createBreaker('cache', { clock: { monotonic: () => clock.now }, metrics }),
      clock: { monotonic: () => clock.now },
      metrics,
    }).of<Value>(kind, changes ? ({ revision }) => revision : undefined),
  );
  const revisions = new Uint32Array(trace.workflows).fill(1);
  const changedAt = new Float64Array(trace.workflows);
  const tenantOf = (workflow: number) =>
    `0199c1aa-0000-7000-8000-${String(workflow % 250).padStart(12, '0')}`;
  const nameOf = (workflow: number) => ({
    tenant: tenantOf(workflow),
    // What never changes is under its version, which whoever asks has just read.
    parts: ['live', `w${workflow}`, ...(changes ? [] : [String(revisions[workflow])])],
  });
  let stale = 0;
  let oldestMs = 0;
  for (let i = 0; i < trace.reads; i++) {
    clock.now += (trace.seconds * 1_000) / trace.reads;
    if (random() < 1 / trace.readsAChange) {
      const changed = rank();
      revisions[changed] = (revisions[changed] as number) + 1;
      changedAt[changed] = clock.now;
      const writer = caches[Math.floor(random() * caches.length)];
      if (changes) await writer?.forget(nameOf(changed), revisions[changed]);
    }
    const workflow = rank();
    const revision = revisions[workflow] as number;
    const reader = caches[Math.floor(random() * caches.length)];
    const told = await reader?.read(nameOf(workflow), async () => ({ revision }));
    if (told?.revision !== revision) {
      stale += 1;
      oldestMs = Math.max(oldestMs, clock.now - (changedAt[workflow] as number));
    }
  }
  return { from, stale, oldestMs };
}

/** Shared values in the trace's own time, which is hours: what Redis makes of the same reads is compared with it. */
export function inTraceTime(clock: TraceClock): SharedValues {
  const values = new Map<string, SharedValue & { readonly until: number }>();
  return {
    async get(kind, name) {
      const found = values.get(keyOf(kind, name));
      if (found === undefined || found.until <= clock.now || found.text === '') {
        return { kind: 'nothing' };
      }
      return { kind: 'found', value: found };
    },
    async put(kind, name, value) {
      const key = keyOf(kind, name);
      const held = values.get(key);
      const older = held !== undefined && held.until > clock.now;
      if (older && (held.revision ?? 0) > (value.revision ?? 0)) return;
      values.set(key, {
        ...value,
        until: clock.now + kind.shared.ms * (1 - kind.shared.spread / 2),
      });
    },
    async forget(kind, name, revision) {
      await this.put(kind, name, { revision, text: '' });
    },
    async forgetUnder() {
      return { count: 0, whole: true };
    },
  };
}

/** The part of all reads that did not ask the source. */
export const hits = ({ from: { process, shared, source } }: Replayed): number =>
  (process + shared) / (process + shared + source);

/** Ranks from 0 on, each as often as its law says. */
function zipf(count: number, exponent: number, random: () => number): () => number {
  const upTo = new Float64Array(count);
  let sum = 0;
  for (let i = 0; i < count; i++) {
    sum += 1 / (i + 1) ** exponent;
    upTo[i] = sum;
  }
  return () => {
    const wanted = random() * sum;
    let [low, high] = [0, count - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((upTo[middle] as number) < wanted) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}
