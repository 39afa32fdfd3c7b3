import { describe, expect, it } from 'vitest';
import type { ExecutionEvent } from '#core/execution/events.ts';
import type { Program } from '#core/plan/program.ts';
import type { Recording } from '#ports/execution-store.ts';
import type { Documents } from '#ports/recovery.ts';
import { createOperationRecords } from '#services/operations/records.ts';
import { platformProgram } from '#statemachines/platform.ts';

const PROGRAM = platformProgram('region-failover');
const NOW = Date.parse('2026-12-06T05:00:00.000Z');
const ORIGIN = {
  workflow: 'region-failover',
  version: PROGRAM.version,
  program: PROGRAM.hash,
  input: { mode: 'planned' },
  started_at: new Date(NOW).toISOString(),
};

function createMemoryDocuments(): Documents & { readonly kept: Map<string, string> } {
  const kept = new Map<string, string>();
  const versions = new Map<string, number>();
  const versionOf = (key: string) => String(versions.get(key) ?? 0);
  return {
    kept,
    read: async (key) => {
      const text = kept.get(key);
      return text === undefined ? null : { text, version: versionOf(key) };
    },
    write: async (key, text, over) => {
      if (over === null ? kept.has(key) : versionOf(key) !== over) return null;
      kept.set(key, text);
      versions.set(key, (versions.get(key) ?? 0) + 1);
      return versionOf(key);
    },
  };
}

const clock = { now: () => NOW } as Parameters<typeof createOperationRecords>[0]['clock'];
const createRecords = (documents: Documents, program: Program | null = PROGRAM) =>
  createOperationRecords({ documents, clock, programOf: () => program });

const recording = (events: readonly ExecutionEvent[]): Recording => ({
  at: NOW,
  events,
  steps: [],
  execution: null,
  outbox: [],
  parentSignal: null,
  childSignals: [],
});
const started = (step: string): ExecutionEvent => ({ type: 'step_started', step, config: {} });
const answered = (step: string, decision: string): ExecutionEvent => ({
  type: 'step_succeeded',
  step,
  output: { decision },
  attempts: 1,
  compensation: null,
});
const record = (
  records: ReturnType<typeof createRecords>,
  events: readonly ExecutionEvent[],
  id = 'e1',
) => records.recorder.record('platform', id, NOW, 0, () => recording(events));

describe('the log of an execution of the platform', () => {
  it('begins once, whoever of several tasks comes first, with the program that was started', async () => {
    const documents = createMemoryDocuments();
    await Promise.all([1, 2, 3].map(() => createRecords(documents).begin('e1', ORIGIN)));
    expect([...documents.kept.keys()]).toEqual(['executions/e1.json']);
    const loaded = await createRecords(documents).loadExecution('platform', 'e1');
    expect(loaded?.header).toMatchObject({ id: 'e1', programHash: PROGRAM.hash });
    expect(loaded?.tail.map(({ event }) => event.type)).toEqual(['execution_created']);
  });

  it('counts without a gap or a double though two processes write at once', async () => {
    const documents = createMemoryDocuments();
    const [one, other] = [createRecords(documents), createRecords(documents)];
    await one.begin('e1', ORIGIN);
    await other.begin('e1', ORIGIN);
    await Promise.all(
      Array.from({ length: 10 }, (_, i) => record(i % 2 === 0 ? one : other, [started(`s${i}`)])),
    );
    const loaded = await one.loadExecution('platform', 'e1');
    expect(loaded?.tail.map(({ seq }) => seq)).toEqual(Array.from({ length: 11 }, (_, i) => i + 1));
    expect(new Set(loaded?.tail.map(({ event }) => JSON.stringify(event))).size).toBe(11);
  });

  it('shows whoever decides all that came before, also from elsewhere', async () => {
    const documents = createMemoryDocuments();
    const [one, other] = [createRecords(documents), createRecords(documents)];
    await one.begin('e1', ORIGIN);
    await other.begin('e1', ORIGIN);
    await record(one, [started('plan')]);
    const seen: string[] = [];
    await other.recorder.record('platform', 'e1', NOW, 0, ({ tail }) => {
      seen.splice(0, seen.length, ...tail.map(({ event }) => event.type));
      return recording([]);
    });
    expect(seen).toEqual(['execution_created', 'step_started']);
  });

  it('goes on as it began when another program is deployed meanwhile; a new one does not begin so', async () => {
    const documents = createMemoryDocuments();
    await createRecords(documents).begin('e1', ORIGIN);
    const later = createRecords(documents, { ...PROGRAM, hash: 'another' });
    await later.begin('e1', ORIGIN);
    expect((await later.programs.find('platform', PROGRAM.hash))?.hash).toBe(PROGRAM.hash);
    await expect(later.begin('e2', ORIGIN)).rejects.toMatchObject({ code: 'VERSION_INCOMPATIBLE' });
    await expect(createRecords(documents, null).begin('e3', ORIGIN)).rejects.toMatchObject({
      code: 'VERSION_INCOMPATIBLE',
    });
    expect([...documents.kept.keys()]).toEqual(['executions/e1.json']);
  });

  it('gives up loudly when somebody else is always faster', async () => {
    const documents = createMemoryDocuments();
    const records = createRecords({ ...documents, write: async () => null });
    await createRecords(documents).begin('e1', ORIGIN);
    await expect(record(records, [started('plan')])).rejects.toThrow('changed 40 times');
  });

  it.each(['../e1', 'a/b', '', 'x'.repeat(81), 'e1.json'])(
    'has no name that leads elsewhere: %j',
    async (name) => {
      const records = createRecords(createMemoryDocuments());
      await expect(records.begin(name, ORIGIN)).rejects.toThrow('no name of an execution');
      await expect(records.tokens.find('platform', name, 'approve')).rejects.toThrow(
        'no name of an execution',
      );
    },
  );

  it('of what nobody began is nothing', async () => {
    const records = createRecords(createMemoryDocuments());
    expect(await records.loadExecution('platform', 'e1')).toBeNull();
    expect(await record(records, [started('plan')])).toBeNull();
    expect(await records.isApproved('e1')).toBe(false);
    expect(await records.tokens.find('platform', 'e1', 'approve')).toBeNull();
  });
});

describe('an approval', () => {
  it.each([
    ['nobody answered', [started('approve')], false],
    ['a person said no', [answered('approve', 'rejected')], false],
    ['a step that is no approval says it', [answered('plan', 'approved')], false],
    ['a step that is not of the program says it', [answered('elsewhere', 'approved')], false],
    ['a person said yes', [answered('approve', 'approved')], true],
  ])('%s', async (_, events, approved) => {
    const records = createRecords(createMemoryDocuments());
    await records.begin('e1', ORIGIN);
    await records.begin('e2', ORIGIN);
    await record(records, events);
    expect(await records.isApproved('e1')).toBe(approved);
    // Of one execution, and of no other.
    expect(await records.isApproved('e2')).toBe(false);
  });

  it('waits with the token that was given last', async () => {
    const records = createRecords(createMemoryDocuments());
    await records.tokens.put('platform', 'e1', 'approve', 'first');
    await records.tokens.put('platform', 'e1', 'approve', 'second');
    expect(await records.tokens.find('platform', 'e1', 'approve')).toBe('second');
    expect(await records.tokens.find('platform', 'e2', 'approve')).toBeNull();
  });
});
