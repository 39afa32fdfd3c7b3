import { describe, expect, it } from 'vitest';
import { check, failures } from './check.ts';
import type { LoggedEvent, StoredExecution } from './evidence.ts';
import { type Fabricated, fabricate, OTHER } from './fabricated.ts';
import { type Invariant, invariants } from './tally.ts';

async function judged(run: Fabricated) {
  async function* all() {
    yield* run.executions;
  }
  const { evidence, liveness } = run;
  return (await check(evidence, liveness, all(), 30_000, 0)).verdicts;
}

const of = (run: Fabricated, workflow: string): number =>
  run.executions.findIndex((each) => each.workflow === workflow);

/** Another execution in the place of one of this workflow. */
function put(
  run: Fabricated,
  workflow: string,
  change: (old: StoredExecution) => Partial<StoredExecution>,
): void {
  const at = of(run, workflow);
  const old = run.executions[at] as StoredExecution;
  run.executions[at] = { ...old, ...change(old) };
}

/** Another log, with its numbers as they should be. */
function log(
  run: Fabricated,
  workflow: string,
  change: (events: LoggedEvent[]) => LoggedEvent[],
): void {
  put(run, workflow, ({ events }) => ({
    events: change([...events]).map((event, i) => ({
      ...event,
      seq: i + 1,
      at: 1_000_000 + i * 10,
    })),
  }));
}

const find = (events: readonly LoggedEvent[], type: string, step?: string): number =>
  events.findIndex(({ event }) => event.type === type && event.step === step);

const without = (events: LoggedEvent[], at: number): LoggedEvent[] =>
  events.filter((_, i) => i !== at);

/** What is spoilt, and which invariant says so. */
const SPOILT: readonly (readonly [Invariant, string, (run: Fabricated) => void])[] = [
  ['I1', 'an acknowledged execution is not in the store', (run) => run.executions.splice(0, 1)],
  [
    'I1',
    'the API does not answer one',
    (run) => {
      const answers = new Map(run.evidence.answers);
      answers.set(run.executions[0]?.id ?? '', null);
      run.evidence.answers = answers;
    },
  ],
  [
    'I2',
    'nobody asked for one',
    (run) => {
      run.evidence.ledger = run.evidence.ledger.filter((line) => line.kind !== 'intent');
    },
  ],
  [
    'I2',
    'no step started a child',
    (run) => log(run, 'parent', (events) => without(events, find(events, 'step_started', 'kid'))),
  ],
  ['I3', 'a key started two', (run) => put(run, 'each', () => ({ key: 'key-1' }))],
  [
    'I3',
    'a repeat is answered another id',
    (run) => {
      run.evidence.ledger = run.evidence.ledger.map((line) =>
        line.kind === 'repeated' ? { ...line, id: 'another' } : line,
      );
    },
  ],
  [
    'I3',
    'another body is taken',
    (run) => {
      run.evidence.ledger = run.evidence.ledger.map((line) =>
        line.kind === 'conflicting' ? { ...line, status: 202 } : line,
      );
    },
  ],
  [
    'I4',
    'an event is missing',
    (run) => put(run, 'saga', ({ events }) => ({ events: without([...events], 4) })),
  ],
  [
    'I4',
    'an event stands twice',
    (run) =>
      put(run, 'saga', ({ events }) => ({ events: [...events.slice(0, 4), ...events.slice(3)] })),
  ],
  [
    'I4',
    'time goes back',
    (run) =>
      put(run, 'saga', ({ events }) => ({
        events: events.map((each) => (each.seq === 5 ? { ...each, at: 0 } : each)),
      })),
  ],
  [
    'I5',
    'an event is of an owner that is none any more',
    (run) =>
      put(run, 'saga', ({ events }) => ({
        epoch: 3,
        events: events.map((each) => ({ ...each, epoch: each.seq === 4 ? 3 : each.epoch })),
      })),
  ],
  [
    'I6',
    'something follows the end',
    (run) => log(run, 'saga', (events) => [...events, { ...(events[2] as LoggedEvent) }]),
  ],
  [
    'I6',
    'a step starts twice',
    (run) => log(run, 'saga', (events) => [...events.slice(0, 3), ...events.slice(2)]),
  ],
  ['I7', 'a row says something else', (run) => put(run, 'saga', () => ({ status: 'COMPLETED' }))],
  [
    'I7',
    'the API says something else',
    (run) => {
      const answers = new Map(run.evidence.answers);
      answers.set(run.executions[0]?.id ?? '', { status: 'FAILED', output: null });
      run.evidence.answers = answers;
    },
  ],
  [
    'I8',
    'a result was never answered',
    (run) => {
      run.evidence.calls = run.evidence.calls.map((call) => ({ ...call, value: 'another' }));
    },
  ],
  [
    'I8',
    'a step saw another result than is recorded',
    (run) => {
      run.evidence.calls = run.evidence.calls.map((call) =>
        call.step === 'join' ? { ...call, given: { left: 'another' } } : call,
      );
    },
  ],
  [
    'I9',
    'a step begins before what it depends on has ended',
    (run) =>
      log(run, 'diamond', (events) => {
        const at = find(events, 'step_started', 'join');
        const start = events[at] as LoggedEvent;
        return [...without(events, at).slice(0, 5), start, ...without(events, at).slice(5)];
      }),
  ],
  [
    'I9',
    'a step begins though its condition does not hold',
    (run) =>
      put(run, 'diamond', ({ events }) => ({
        events: events.map((each) =>
          each.seq === 1 ? { ...each, event: { ...each.event, input: { go: false } } } : each,
        ),
      })),
  ],
  [
    'I10',
    'there are more calls than attempts',
    (run) => {
      run.evidence.calls = run.evidence.calls.flatMap((call) =>
        call.step === 'quote' ? [call, call, call] : [call],
      );
    },
  ],
  [
    'I11',
    'a call comes long after its success',
    (run) => {
      run.evidence.calls = run.evidence.calls.map((call) =>
        call.step === 'quote' ? { ...call, from: call.from + 60_000, to: call.to + 60_000 } : call,
      );
    },
  ],
  [
    'I12',
    'a database step took effect twice',
    (run) => {
      run.evidence.effects = new Map([[run.executions[3]?.id ?? '', 2]]);
    },
  ],
  [
    'I12',
    'a database step is recorded and took no effect',
    (run) => {
      run.evidence.effects = new Map();
    },
  ],
  [
    'I13',
    'an item is left out',
    (run) => {
      const input = { items: [0, 1, 2, 3] };
      put(run, 'each', ({ events }) => ({
        events: events.map((each) =>
          each.seq === 1 ? { ...each, event: { ...each.event, input } } : each,
        ),
      }));
    },
  ],
  [
    'I13',
    'a join fires twice',
    (run) =>
      log(run, 'diamond', (events) => {
        const start = events[find(events, 'step_started', 'join')] as LoggedEvent;
        return [...events, start];
      }),
  ],
  [
    'I14',
    'what was done first is undone first',
    (run) =>
      log(run, 'saga', (events) => {
        const undoing = events.filter(
          ({ event }) => event.type.startsWith('compensation_') && event.step,
        );
        const rest = events.filter((each) => !undoing.includes(each));
        const pairs = [0, 2, 4]
          .map((i) => undoing.slice(i, i + 2))
          .reverse()
          .flat();
        return [...rest.slice(0, -1), ...pairs, rest.at(-1) as LoggedEvent];
      }),
  ],
  [
    'I14',
    'something is not undone',
    (run) =>
      log(run, 'saga', (events) =>
        events.filter(
          ({ event }) => !(event.type.startsWith('compensation_') && event.step === 'reserve'),
        ),
      ),
  ],
  [
    'I15',
    'a step begins after the cancel',
    (run) =>
      log(run, 'stopped', (events) => {
        const at = find(events, 'cancel_requested', undefined);
        return [
          ...events.slice(0, at + 1),
          { ...(events[at] as LoggedEvent), event: { type: 'step_started', step: 'never' } },
          ...events.slice(at + 1),
        ];
      }),
  ],
  [
    'I15',
    'an acknowledged cancel is none',
    (run) => {
      const id = run.executions[0]?.id ?? '';
      run.evidence.ledger = [...run.evidence.ledger, { kind: 'cancelled', at: 9, id, status: 202 }];
    },
  ],
  [
    'I17',
    'an end is told twice',
    (run) => {
      run.evidence.outbox = [...run.evidence.outbox, ...run.evidence.outbox.slice(1, 2)];
    },
  ],
  [
    'I17',
    'an event is not on its topic',
    (run) => {
      run.evidence.records = run.evidence.records?.slice(1) ?? null;
    },
  ],
  [
    'I17',
    'an end is on the topic before its beginning',
    (run) => {
      run.evidence.records = (run.evidence.records ?? []).map((each) => ({
        ...each,
        offset: 100 - each.offset,
      }));
    },
  ],
  [
    'I18',
    'one is counted twice',
    (run) => {
      run.evidence.counted = { ...run.evidence.counted, completed: 7 };
    },
  ],
  [
    'I18',
    'one has two records of use',
    (run) => {
      run.evidence.usage = new Map([...run.evidence.usage, [run.executions[0]?.id ?? '', 2]]);
    },
  ],
  [
    'I20',
    'nobody laid aside what nobody could use',
    (run) => {
      run.evidence.deadLetters = [];
    },
  ],
  [
    'I20',
    'something was laid aside that could be used',
    (run) => {
      const good = { group: 'billing', key: 'good', errorName: 'Error', status: 'open' };
      run.evidence.deadLetters = [...run.evidence.deadLetters, good];
    },
  ],
  [
    'I21',
    'a row holds the canary of another tenant',
    (run) => {
      run.evidence.strayCanaries = ['workflow_steps holds canary-of-one in a row of tenant-two'];
    },
  ],
  [
    'I21',
    'a call carries it',
    (run) => {
      run.evidence.calls = run.evidence.calls.map((call) => ({ ...call, canary: 'canary-of-two' }));
    },
  ],
  [
    'I21',
    'a record says it is of another tenant',
    (run) => {
      run.evidence.records = (run.evidence.records ?? []).map((each) => ({
        ...each,
        tenant: OTHER,
      }));
    },
  ],
  [
    'I21',
    'a log holds what an input said',
    (run) => {
      run.evidence.loggedCanaries = ['canary-of-one'];
    },
  ],
  [
    'I22',
    'an event of the trail was altered',
    (run) => {
      run.evidence.audit = run.evidence.audit.map((each, i) =>
        i === 2 ? { ...each, content: each.content.replace('tenant-one', 'tenant-0ne') } : each,
      );
    },
  ],
  [
    'I22',
    'a request is not in the trail',
    (run) => {
      const line = { kind: 'refused', tenant: 'tenant-one', requestId: 'untold' } as const;
      run.evidence.ledger = [...run.evidence.ledger, line];
    },
  ],
  [
    'I23',
    'a gate let one through',
    (run) => {
      run.evidence.ledger = [
        ...run.evidence.ledger,
        { kind: 'gate', workflow: 'gated', accepted: 3, begun: 1 },
      ];
    },
  ],
  [
    'I23',
    'more items run at once than their loop allows',
    (run) =>
      log(run, 'each', (events) => {
        const inner = events.filter(({ event }) => event.step?.startsWith('lines.'));
        const [starts, ends] = ['step_started', 'step_succeeded'].map((type) =>
          inner.filter(({ event }) => event.type === type),
        ) as [LoggedEvent[], LoggedEvent[]];
        return [...events.slice(0, 3), ...starts, ...ends, ...events.slice(3 + inner.length)];
      }),
  ],
  [
    'I23',
    'a place in a queue is left',
    (run) => {
      run.evidence.leftovers = { waiting_starts: 1 };
    },
  ],
  [
    'I24',
    'a row names another version than its log',
    (run) => put(run, 'saga', () => ({ programHash: 'another' })),
  ],
  [
    'I24',
    'one did what another version does',
    (run) =>
      put(run, 'pinned', ({ events }) => ({
        events: events.map((each) =>
          each.event.step === 'which' && each.event.type === 'step_succeeded'
            ? { ...each, event: { ...each.event, output: '1.0.9' } }
            : each,
        ),
      })),
  ],
  [
    'I24',
    'one began with a version that was no longer the newest',
    (run) => {
      run.evidence.ledger = run.evidence.ledger.map((line) =>
        line.kind === 'started' && line.workflow === 'pinned'
          ? { ...line, atLeast: '1.0.2' }
          : line,
      );
    },
  ],
  [
    'L1',
    'what a dead process had stays its own',
    (run) => {
      run.liveness.takeOvers = [{ fault: 'a kill', ms: null, had: 1 }];
    },
  ],
  [
    'L2',
    'one does not end',
    (run) => {
      run.liveness.unfinished = ['one'];
    },
  ],
  [
    'L3',
    'something waits in the outbox',
    (run) => {
      run.liveness.healed = { ...run.liveness.healed, outboxLag: 1 };
    },
  ],
  [
    'L4',
    'what comes after the faults is slower',
    (run) => {
      run.liveness.rate = { calm: 10, faults: 5, after: 5 };
    },
  ],
  [
    'L5',
    'handles stay open',
    (run) => {
      run.liveness.end = { ...run.liveness.end, handles: 1_000 };
    },
  ],
  [
    'L5',
    'a key of the cache never ends',
    (run) => {
      run.liveness.end = { ...run.liveness.end, keysWithoutEnd: 1 };
    },
  ],
  [
    'L6',
    'it says that it is ready without its database',
    (run) => {
      run.liveness.probes = run.liveness.probes.map((each) => ({ ...each, ready: true }));
    },
  ],
  [
    'L6',
    'it is not ready once its database is back',
    (run) => {
      run.liveness.probes = run.liveness.probes.map((each) => ({ ...each, ready: false }));
    },
  ],
  [
    'L6',
    'it does not say that it lives',
    (run) => {
      run.liveness.probes = run.liveness.probes.map((each) => ({ ...each, live: false }));
    },
  ],
];

describe('the checker of fault runs', () => {
  it('finds nothing where all is well, and has looked at something for each invariant', async () => {
    expect(failures(await judged(fabricate()))).toEqual([]);
  });

  it.each(SPOILT)('%s: %s', async (id, _, spoil) => {
    const run = fabricate();
    spoil(run);
    const wrong = (await judged(run)).filter(({ violations }) => violations > 0);
    expect(wrong.map((each) => each.id)).toContain(id);
  });

  it('every invariant has something that violates it', () => {
    expect(new Set(SPOILT.map(([id]) => id))).toEqual(new Set(invariants));
  });

  it('a check that has looked at nothing is a failure, where the run does not say that it could not', async () => {
    const run = fabricate();
    run.liveness.takeOvers = [];
    const verdicts = await judged(run);
    expect(failures(verdicts)).toEqual(['L1: it looked at nothing']);
    expect(failures(verdicts, ['L1'])).toEqual([]);
  });
});
