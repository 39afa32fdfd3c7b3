/**
 * Crash after every row of many machines: a new runtime over the rows stored so far must come to
 * the same end, and must have asked nothing of the outside that the uninterrupted run did not ask.
 */
import { describe, expect, it } from 'vitest';
import { canonicalJson, type Json } from '#core/json.ts';
import { createMemoryHistoryStore } from '#local/asl/memory-history-store.ts';
import { createVirtualClock } from '#local/virtual-clock.ts';
import type { HistoryStore, StoredRow } from '#ports/history-store.ts';
import {
  begin,
  createWorld,
  finish,
  type Invocation,
  type Outcome,
  START,
  type World,
} from './harness.ts';
import { CASES, type Case, CHILDREN } from './machines.ts';

/** Tokens differ from run to run; everything else that is asked may not. */
function effects(calls: readonly Invocation[]): string[] {
  const seen = calls.map(({ functionName, payload, stateName, retryCount, attemptKey }) => {
    const shown = typeof payload === 'object' && payload !== null && 'token' in payload;
    const asked: Json = [functionName, shown ? 'token' : payload, stateName, retryCount];
    return canonicalJson([asked, attemptKey.split('#')[0] ?? '']);
  });
  return [...new Set(seen)].sort();
}

/** What does not depend on how often the process died. */
function essence({ status, output, error, cause, types }: Outcome): unknown {
  const exits = types.filter((type) => type.endsWith('StateExited')).sort();
  return { status, output, error, cause, exits };
}

/** A store that lets `most` rows of one execution through, and then is gone for good. */
function failingStore(inner: HistoryStore, arn: string, most: number): HistoryStore {
  let left = most;
  return {
    ...inner,
    async append(executionArn, rows) {
      if (executionArn !== arn) return inner.append(executionArn, rows);
      const some: readonly StoredRow[] = rows.slice(0, left);
      left -= some.length;
      if (some.length > 0) await inner.append(executionArn, some);
      if (left <= 0) throw new Error('crash');
      return true;
    },
  };
}

function withChild(world: World): World {
  for (const [arn, child] of Object.entries(CHILDREN)) world.machines.set(arn, child);
  return world;
}

async function uninterrupted({
  definition,
  input,
  handler,
}: Case): Promise<Outcome & { calls: Invocation[]; rows: number; arn: string }> {
  const world = withChild(createWorld(handler));
  const arn = await begin(world, definition, input);
  const outcome = await finish(world, arn);
  expect(world.faults).toEqual([]);
  const rows = await world.store.load(arn);
  return { ...outcome, calls: world.calls, rows: rows.length, arn };
}

describe('a restart', () => {
  it.each(Object.entries(CASES))('changes nothing at any row of %s', async (_name, each) => {
    const whole = await uninterrupted(each);
    expect(whole.status).toBe(each.status);
    for (let crash = 1; crash < whole.rows; crash++) {
      const inner = createMemoryHistoryStore();
      const clock = createVirtualClock({ start: START });
      const first = withChild(
        createWorld(each.handler, { clock, store: failingStore(inner, whole.arn, crash) }),
      );
      // Row 1 is stored by the start itself, which then reports the crash.
      await begin(first, each.definition, each.input).catch((error: unknown) => {
        if (crash > 1) throw error;
      });
      while (first.faults.length === 0 && (await clock.advanceToNext()));
      await first.runtime.close();
      const second = withChild(
        createWorld(each.handler, { clock, store: inner, live: first.live }),
      );
      for (const [arn, definition] of first.machines) second.machines.set(arn, definition);
      await second.runtime.resume();
      const outcome = await finish(second, whole.arn);
      expect(second.faults).toEqual([]);
      expect(essence(outcome), `crash after row ${crash}`).toEqual(essence(whole));
      expect(effects([...first.calls, ...second.calls]), `crash after row ${crash}`).toEqual(
        effects(whole.calls),
      );
    }
  });
});
