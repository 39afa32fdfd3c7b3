/** A run that never was, in which all is well: what tests of the checker then spoil. */
import { createHash } from 'node:crypto';
import type { Call, LedgerLine } from '../records.ts';
import { definitions, OPERATION, pinnedDefinition } from '../workload.ts';
import type {
  LivenessEvidence,
  LoggedEvent,
  PlatformEvidence,
  StoredExecution,
} from './evidence.ts';
import { fold } from './fold.ts';
import { createTally } from './tally.ts';

export const TENANT = 'tenant-one';
export const OTHER = 'tenant-two';
const CANARY = 'canary-of-one';
const BEGUN = 1_000_000;

type Said = readonly [type: string, step?: string, more?: object];

export interface Fabricated {
  evidence: { -readonly [K in keyof PlatformEvidence]: PlatformEvidence[K] };
  liveness: { -readonly [K in keyof LivenessEvidence]: LivenessEvidence[K] };
  executions: StoredExecution[];
}

function execution(
  workflow: string,
  n: number,
  said: readonly Said[],
  more: Partial<StoredExecution> & { readonly input?: object } = {},
): StoredExecution {
  const { input = {}, ...rest } = more;
  const id = `0190b5a0-0000-7000-8000-${String(n).padStart(12, '0')}`;
  const version = rest.version ?? '1.0.0';
  const created = { version, program_hash: 'hash', input: { canary: CANARY, ...input } };
  const events = [
    ['execution_created', undefined, created] as Said,
    ['execution_started'] as Said,
    ...said,
  ].map(
    ([type, step, extra], i): LoggedEvent => ({
      ...{ seq: i + 1, epoch: i === 0 ? 0 : 1, at: BEGUN + i * 10 },
      event: { type, ...(step === undefined ? {} : { step }), ...extra },
    }),
  );
  return withRows({
    ...{ tenant: TENANT, id, workflow, version, programHash: 'hash', runtime: 'engine' },
    ...{ status: '', output: null, errorCode: null, compensation: null, owner: null, epoch: 1 },
    ...{
      parent: null,
      parentStep: null,
      key: `key-${n}`,
      startedAt: null,
      endedAt: null,
      events,
      steps: [],
    },
    ...rest,
  });
}

/** Its rows as its log says. */
function withRows(made: StoredExecution): StoredExecution {
  const folded = fold(made, createTally());
  const { status, output, errorCode, compensation, startedAt, endedAt } = folded;
  return {
    ...{ ...made, status, output, errorCode, compensation, startedAt, endedAt },
    steps: [...folded.steps].map(([step, own]) => ({
      ...{ step, status: own.status, attempts: own.attempts, output: own.output },
      ...{ startedAt: own.startedAt, endedAt: own.endedAt },
    })),
  };
}

/** A call that went well: its start and its result. */
function done(step: string, output: unknown = `v-${step}`): readonly Said[] {
  return [
    ['step_started', step],
    ['step_succeeded', step, { output, attempts: 1 }],
  ];
}

function undone(step: string): readonly Said[] {
  return [
    ['compensation_attempt_started', step, { attempt: 1 }],
    ['compensation_succeeded', step, { attempts: 1 }],
  ];
}

export function fabricate(): Fabricated {
  const value = (step: string) => `v-${step}`;
  const ships = [0, 1, 2].map((i) => ({
    status: 'SUCCESS',
    output: { ship: value(`lines.ship[${i}]`) },
  }));
  const executions = [
    execution(
      'diamond',
      1,
      [
        ...done('top'),
        ['step_started', 'left'],
        ['step_started', 'right'],
        ['step_started', 'maybe'],
        ...['left', 'right', 'maybe'].map(
          (step): Said => ['step_succeeded', step, { output: value(step), attempts: 1 }],
        ),
        ...done('join'),
        [
          'execution_completed',
          undefined,
          {
            output: Object.fromEntries(
              ['top', 'left', 'right', 'maybe', 'join'].map((step) => [step, value(step)]),
            ),
          },
        ],
      ],
      { input: { go: true } },
    ),
    execution(
      'each',
      2,
      [
        ['step_started', 'lines'],
        ...[0, 1, 2].flatMap((i) => done(`lines.ship[${i}]`)),
        ['step_succeeded', 'lines', { output: ships, attempts: 1 }],
        ...done('done'),
        ['execution_completed', undefined, { output: { lines: ships, done: value('done') } }],
      ],
      { input: { items: [0, 1, 2] } },
    ),
    execution('saga', 3, [
      ...['reserve', 'charge', 'ship'].flatMap((step) => done(step)),
      ['step_started', 'refuse'],
      ['step_failed', 'refuse', { error: { code: 'Refused' }, attempts: 1 }],
      ['compensation_started'],
      ...['ship', 'charge', 'reserve'].flatMap(undone),
      ['execution_failed', undefined, { error: { code: 'Refused' }, compensation: 'COMPLETE' }],
    ]),
    execution('payment', 4, [
      ...done('quote'),
      ...done(OPERATION, { row_count: 1 }),
      ...done('receipt'),
      [
        'execution_completed',
        undefined,
        {
          output: {
            quote: value('quote'),
            [OPERATION]: { row_count: 1 },
            receipt: value('receipt'),
          },
        },
      ],
    ]),
    execution('stopped', 5, [
      ...done('begin'),
      ['step_started', 'long'],
      ['cancel_requested', undefined, {}],
      ['step_failed', 'long', { error: { code: 'CloudFlow.Cancelled' }, attempts: 1 }],
      ['step_skipped', 'never', { class: 'K', reason: 'CANCELLED' }],
      ['execution_cancelled', undefined, { compensation: 'NONE' }],
    ]),
    execution(
      'pinned',
      6,
      [
        ...done('first'),
        ...done('nap', null),
        ...done('which', '1.0.1'),
        [
          'execution_completed',
          undefined,
          { output: { first: value('first'), nap: null, which: '1.0.1' } },
        ],
      ],
      { version: '1.0.1' },
    ),
    execution('parent', 7, [
      ['step_started', 'kid'],
      ['child_started', 'kid', { execution_id: '0190b5a0-0000-7000-8000-000000000008' }],
      ['step_succeeded', 'kid', { output: { inner: value('inner') }, attempts: 1 }],
      ...done('outer'),
      [
        'execution_completed',
        undefined,
        { output: { kid: { inner: value('inner') }, outer: value('outer') } },
      ],
    ]),
    execution(
      'child',
      8,
      [...done('inner'), ['execution_completed', undefined, { output: { inner: value('inner') } }]],
      { parent: '0190b5a0-0000-7000-8000-000000000007', parentStep: 'kid', key: null },
    ),
  ];
  return { executions, evidence: evidenceOf(executions), liveness: livenessOf() };
}

const UNCALLED = new Set(['lines', 'refuse', OPERATION, 'long', 'never', 'nap', 'which', 'kid']);

function callsOf(executions: readonly StoredExecution[]): Call[] {
  return executions.flatMap(({ id, events }) =>
    events.flatMap(({ event, at }): Call[] => {
      const { type, step = '' } = event;
      const undoing = type === 'compensation_attempt_started';
      if (!undoing && (type !== 'step_started' || UNCALLED.has(step))) return [];
      return [
        {
          ...{ key: `${id}/${step}${undoing ? '/compensate' : ''}`, execution: id, step },
          ...{ attempt: 1, canary: CANARY, from: at + 1, to: at + 2, value: `v-${step}` },
          given: step === 'join' ? { left: 'v-left' } : {},
        },
      ];
    }),
  );
}

function evidenceOf(executions: readonly StoredExecution[]): PlatformEvidence {
  const asked = executions.filter(({ parent }) => parent === null);
  const ledger = asked.flatMap(({ id, key, tenant, workflow }): LedgerLine[] => [
    { kind: 'intent', at: 1, tenant, key: key ?? '', workflow },
    {
      ...{ kind: 'started', at: 2, tenant, key: key ?? '', workflow, id, input: {} },
      ...{ atLeast: workflow === 'pinned' ? '1.0.1' : null, requestId: `request-${id}` },
    },
  ]);
  const [first] = asked as [StoredExecution];
  ledger.push(
    { kind: 'repeated', at: 3, tenant: TENANT, key: first.key ?? '', id: first.id },
    { kind: 'conflicting', at: 4, key: first.key ?? '', status: 409 },
    { kind: 'cancelled', at: 5, id: executions[4]?.id ?? '', status: 202 },
    { kind: 'gate', workflow: 'gated', accepted: 3, begun: 0 },
    { kind: 'refused', tenant: TENANT, requestId: 'request-refused' },
  );
  const outbox = executions.flatMap(({ id, status, tenant }) =>
    ['created', status.toLowerCase()].map((what) => ({
      ...{ eventId: `${what}-${id}`, type: `workflow.execution.${what}`, tenant },
      ...{ execution: id, topic: 'workflow.events' },
    })),
  );
  return {
    tenants: [
      { id: TENANT, canary: CANARY },
      { id: OTHER, canary: 'canary-of-two' },
    ],
    definitions: [...definitions('http://target'), pinnedDefinition('http://target', 1)],
    ledger,
    calls: callsOf(executions),
    keys: asked.map(({ tenant, key, id }) => ({ tenant, key: key ?? '', execution: id })),
    effects: new Map([[executions[3]?.id ?? '', 1]]),
    outbox,
    records: outbox.map(({ eventId, execution: id, tenant }, offset) => ({
      ...{ partition: 0, offset, eventId, key: `${tenant}:${id}`, tenant },
      text: JSON.stringify({ tenant_id: tenant }),
    })),
    usage: new Map(executions.map(({ id }) => [id, 1])),
    counted: { created: 8, completed: 6, failed: 1, cancelled: 1 },
    audit: chain([
      ...ledger.flatMap((line) =>
        line.kind === 'started' || line.kind === 'refused' ? [{ request_id: line.requestId }] : [],
      ),
      {
        ...{ actor: 'platform', operation: 'executionFailed', request_id: null },
        target: `execution:${executions[2]?.id}`,
      },
    ]),
    deadLetters: [{ group: 'billing', key: 'poison', errorName: 'InvalidEvent', status: 'open' }],
    poisoned: ['poison'],
    readers: ['billing'],
    strayCanaries: [],
    canariesLookedAt: 100,
    loggedCanaries: [],
    answers: new Map(executions.map(({ id, status, output }) => [id, { status, output }])),
    leftovers: { execution_checkpoints: 0 },
  };
}

export function chain(contents: readonly object[]): PlatformEvidence['audit'] {
  let hash = '0'.repeat(64);
  return contents.map((each, i) => {
    const content = JSON.stringify({ ...each, seq: i + 1, tenant: TENANT });
    hash = createHash('sha256').update(`${hash}${content}`).digest('hex');
    return { tenant: TENANT, seq: i + 1, hash, content };
  });
}

function livenessOf(): LivenessEvidence {
  const footprint = { handles: 100, sessions: 10, memoryMb: 500, keysWithoutEnd: 0 };
  return {
    takeOvers: [{ fault: 'a kill', ms: 5_000, had: 3 }],
    takeOverBoundMs: 15_000,
    unfinished: [],
    executions: 8,
    healed: { outboxLag: 0, consumerLag: 0, openDeadLetters: 1, auditInbox: 0 },
    rate: { calm: 10, faults: 8, after: 10 },
    rateFloor: 0.9,
    before: footprint,
    end: footprint,
    probes: [0, 1, 2, 3, 4, 5, 6].map((at) => ({
      ...{ at: at * 1_000, reached: true, live: true, ready: at < 2 || at > 4 },
    })),
    outages: [{ from: 1_500, to: 4_500 }],
    absences: [],
    readyBoundMs: 5_000,
  };
}
