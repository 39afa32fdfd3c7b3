/** Bugs that reliability is lost to elsewhere, each as what is written in place of what: a run must name what they break. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Invariant } from './checker/tally.ts';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface Bug {
  readonly name: string;
  /** One of these must be violated. */
  readonly breaks: readonly Invariant[];
  readonly edits: readonly {
    readonly file: string;
    readonly from: string | RegExp;
    readonly to: string;
  }[];
  /** What brings it to light; none: it shows without any. */
  readonly faults: readonly string[];
  /** How many of them; default: each once. */
  readonly count?: number;
  readonly kafka?: true;
}

const SQL = 'lib/adapters/postgres/migrations';

export const BUGS: readonly Bug[] = [
  {
    name: 'the fence is gone: an append counts whatever its epoch, and events whose number is taken are left out',
    breaks: ['I5', 'I7', 'I8', 'I9', 'I13'],
    edits: [
      { file: `${SQL}/0007-append.sql`, from: / and e\.epoch = x\.epoch/g, to: '' },
      {
        file: `${SQL}/0007-append.sql`,
        from: 'from unnest(e_of, e_seq, e_at, e_type, e_payload) e (n, seq, at, type, payload);',
        to: 'from unnest(e_of, e_seq, e_at, e_type, e_payload) e (n, seq, at, type, payload) on conflict do nothing;',
      },
    ],
    faults: ['held-statement', 'engine-pause'],
    count: 6,
  },
  {
    name: 'a start is not told from its repeat',
    breaks: ['I3'],
    edits: [
      {
        file: 'lib/adapters/postgres/accept.ts',
        from: 'requests.map((r) => r.idempotency?.key ?? null)',
        to: 'requests.map(() => null)',
      },
    ],
    faults: [],
  },
  {
    name: 'a start is acknowledged before it is written',
    breaks: ['I1', 'I3'],
    edits: [
      {
        file: 'lib/adapters/postgres/accept.ts',
        from: 'answer = await batcherOf(request.tenant).add(row);',
        to: "void batcherOf(request.tenant).add(row).catch(() => undefined); answer = { kind: 'accepted', executionId: request.id };",
      },
    ],
    faults: ['postgres-stop', 'platform-kill'],
    count: 4,
  },
  {
    name: 'nobody takes over what a dead engine had',
    breaks: ['L1', 'L2'],
    edits: [
      {
        file: `${SQL}/0131-fair-room.sql`,
        from: 'where p.lease_until < clock_timestamp()',
        to: "where p.lease_until < clock_timestamp() - interval '1 day'",
      },
    ],
    faults: ['engine-kill'],
  },
  {
    name: 'timers are not set again after a take-over',
    breaks: ['L2'],
    edits: [
      {
        file: 'lib/engine/errands.ts',
        from: 'carryOut(wanted);',
        to: "carryOut(wanted.filter((each) => each.kind !== 'timer'));",
      },
    ],
    faults: ['engines-kill'],
    count: 2,
  },
  {
    name: 'what was done first is undone first',
    breaks: ['I14'],
    edits: [{ file: 'lib/core/execution/apply.ts', from: '-compare(', to: 'compare(' }],
    faults: [],
  },
  {
    name: 'a write to a tenant’s database is not told from its repeat',
    breaks: ['I12'],
    edits: [
      {
        file: 'lib/adapters/postgres-target/databases.ts',
        from: 'target.hostsMarkers = rows[0]?.hosted === true;',
        to: 'target.hostsMarkers = rows[0]?.hosted === null;',
      },
    ],
    faults: ['lost-effects'],
    count: 3,
  },
  {
    name: 'readers take an event that comes again for a new one',
    breaks: ['I18'],
    edits: [
      {
        file: 'lib/adapters/postgres/processed-events.ts',
        from: 'fresh.has(event.event_id) && byId',
        to: 'fresh.size >= 0 && byId',
      },
    ],
    faults: ['duplicates'],
    kafka: true,
  },
  {
    name: 'the relay sends what it reads in reverse',
    breaks: ['I17'],
    edits: [
      {
        file: 'lib/services/events/relay.ts',
        from: 'messages.map(toNew)',
        to: 'messages.toReversed().map(toNew)',
      },
    ],
    faults: [],
    kafka: true,
  },
  {
    name: 'a cancel of what runs is acknowledged and not heard',
    breaks: ['I15'],
    edits: [
      {
        file: 'lib/core/execution/decide.ts',
        from: 'cancel: (decision, signal) => {',
        to: "cancel: (decision, signal) => { if (decision.state.status === 'RUNNING') return;",
      },
    ],
    faults: [],
  },
  {
    name: 'a loop begins all its items at once',
    breaks: ['I23'],
    edits: [
      {
        file: 'lib/core/execution/apply.ts',
        from: 'inFlight < info.step.concurrency',
        to: 'inFlight < 1_000',
      },
    ],
    faults: [],
  },
  {
    name: 'what a task records is as late as the clock of its host says',
    breaks: ['I4', 'I7'],
    edits: [{ file: 'lib/steps/runner/task.ts', from: 'at: draft.now,', to: 'at: now,' }],
    faults: ['clock-jump'],
    count: 6,
  },
  {
    name: 'inputs are logged',
    breaks: ['I21'],
    edits: [
      {
        file: 'lib/adapters/postgres/accept.ts',
        from: 'const created = createdEvent(request);',
        to: 'const created = createdEvent(request); process.stderr.write(JSON.stringify(request.input));',
      },
    ],
    faults: [],
  },
  {
    name: 'refusals are not told the audit trail',
    breaks: ['I22'],
    edits: [
      {
        file: 'lib/services/audit/auditor.ts',
        from: 'if (begun !== null) return end(outcome, code);',
        to: 'if (begun !== null) return;',
      },
    ],
    faults: [],
  },
  {
    name: 'programs are kept by their workflow, whatever their version',
    breaks: ['I24'],
    edits: [
      {
        file: 'lib/engine/program-cache.ts',
        from: /header\.programHash(?=\}`;)/,
        to: 'header.workflowId',
      },
    ],
    faults: [],
  },
  {
    name: 'it is ready whether its database is there or not',
    breaks: ['L6'],
    edits: [
      {
        file: 'lib/local/platform/serve.ts',
        from: "postgres: async () => void (await pools.app.query('select 1')),",
        to: 'postgres: async () => undefined,',
      },
    ],
    faults: ['postgres-stop'],
  },
];

/** The files of a bug as they are with it. Throws where what it takes away is not there. */
export function planted(bug: Bug): ReadonlyMap<string, string> {
  const texts = new Map<string, string>();
  for (const { file, from, to } of bug.edits) {
    const before = texts.get(file) ?? readFileSync(join(ROOT, file), 'utf8');
    const after = before.replace(from, () => to);
    if (after === before) throw new Error(`${bug.name}: ${file} has nothing like ${from}`);
    texts.set(file, after);
  }
  return texts;
}
