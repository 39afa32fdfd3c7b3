/**
 * Whether a store holds together: for the weekly restore, after a failover, and whenever somebody
 * doubts it.
 *
 *  I1 the log of an execution has events 1 to n, begins with its creation, and nothing follows its end;
 *     neither time nor epoch falls along it.
 *  I2 the fold of the log is what the rows of the execution and of its steps say.
 *  I3 a log has an execution and an execution has a log, and its program is stored.
 *  I4 what is found is told by name and number: never a value that is stored.
 *  I5 what is broken is set aside where the check may do that, so that nobody moves it further.
 */
import { apply } from '#core/execution/apply.ts';
import { type ExecutionEvent, isFinal, type RecordedEvent } from '#core/execution/events.ts';
import { project } from '#core/execution/project.ts';
import { type ExecutionState, initialState } from '#core/execution/state.ts';
import { canonicalJson, type Json } from '#core/json.ts';
import type { Program } from '#core/plan/program.ts';
import type { Clock } from '#ports/clock.ts';
import type {
  ExecutionRef,
  IntegrityReader,
  StoredEvent,
  StoredExecution,
} from '#ports/integrity-reader.ts';
import type { Quarantine } from '#ports/quarantine.ts';

export interface IntegrityRequest {
  /** How many executions are looked at by chance; `all`: every one. */
  readonly executions: number | 'all';
  readonly seed: number;
  /** Real milliseconds after which it stops with what it has seen. */
  readonly withinMs: number;
}

export type ViolationKind =
  | 'sequence'
  | 'order'
  | 'time'
  | 'epoch'
  | 'unreadable'
  | 'fold'
  | 'execution_row'
  | 'step_row'
  | 'program'
  | 'orphan';

export interface Violation {
  readonly tenant: string;
  readonly execution: string;
  readonly kind: ViolationKind;
  readonly message: string;
}

export interface IntegrityReport {
  /** Nothing is wrong with what was looked at. */
  readonly ok: boolean;
  /** All that was asked for was looked at. */
  readonly complete: boolean;
  readonly checked: { readonly executions: number; readonly events: number };
  readonly totals: {
    readonly executions: number;
    readonly events: number;
    readonly steps: number;
    readonly tenants: number;
    readonly exact: boolean;
  };
  /** RFC 3339; what came later is not in this store. */
  readonly last_accepted_at: string | null;
  readonly violation_count: number;
  /** Set aside by this check; what had been before is not counted. */
  readonly quarantined: number;
  /** The first of them. */
  readonly violations: readonly Violation[];
}

/** A line each in a report that people read. */
const SHOWN = 50;
/** Executions read at once: a log may have tens of thousands of events. */
const AT_ONCE = 10;
const NO_ROW = 'there are events and no execution';

type Say = (kind: ViolationKind, message: string) => void;

export async function checkIntegrity(
  deps: {
    readonly reader: IntegrityReader;
    readonly clock: Clock;
    /** Null: what is found is named, and nothing of it is set aside. */
    readonly quarantine: Quarantine | null;
  },
  request: IntegrityRequest,
): Promise<IntegrityReport> {
  const { reader, clock, quarantine } = deps;
  const end = clock.monotonic() + request.withinMs;
  const violations: Violation[] = [];
  const checked = { executions: 0, events: 0 };
  let count = 0;
  let quarantined = 0;
  const sayOf =
    ({ tenant, executionId }: ExecutionRef): Say =>
    (kind, message) => {
      count += 1;
      if (violations.length >= SHOWN) return;
      violations.push({ tenant, execution: executionId, kind, message });
    };
  const totals = await reader.totals(request.executions === 'all');
  let complete = true;
  for await (const refs of portions(reader, request)) {
    if (clock.monotonic() > end) {
      complete = false;
      break;
    }
    for (const stored of await reader.read(refs)) {
      checked.executions += 1;
      checked.events += stored.events.length;
      const wrong: { readonly code: ViolationKind; readonly reason: string }[] = [];
      const tell = sayOf(stored.ref);
      await checkExecution(reader, stored, (code, reason) => {
        wrong.push({ code, reason });
        tell(code, reason);
      });
      const [first] = wrong;
      if (first === undefined || quarantine === null || stored.row === null) continue;
      if (await quarantine.setAside(stored.ref, { ...first, at: clock.now() })) quarantined += 1;
    }
  }
  if (request.executions === 'all' && complete) {
    for (const ref of await reader.orphans(SHOWN)) sayOf(ref)('orphan', NO_ROW);
  }
  const { lastAcceptedAt, ...counted } = totals;
  return {
    ok: count === 0,
    complete,
    checked,
    // An estimate may lag behind what was seen.
    totals: {
      ...counted,
      executions: Math.max(counted.executions, checked.executions),
      events: Math.max(counted.events, checked.events),
    },
    last_accepted_at: lastAcceptedAt === null ? null : new Date(lastAcceptedAt).toISOString(),
    violation_count: count,
    quarantined,
    violations,
  };
}

async function* portions(
  reader: IntegrityReader,
  { executions, seed }: IntegrityRequest,
): AsyncGenerator<readonly ExecutionRef[]> {
  if (executions === 'all') {
    for (let after: ExecutionRef | null = null; ; ) {
      const refs: readonly ExecutionRef[] = await reader.page(after, AT_ONCE);
      if (refs.length > 0) yield refs;
      if (refs.length < AT_ONCE) return;
      after = refs.at(-1) ?? null;
    }
  }
  const refs = await reader.sample(executions, seed);
  for (let i = 0; i < refs.length; i += AT_ONCE) yield refs.slice(i, i + AT_ONCE);
}

async function checkExecution(
  reader: IntegrityReader,
  stored: StoredExecution,
  say: Say,
): Promise<void> {
  const { ref, row, events } = stored;
  if (row === null) return say('orphan', NO_ROW);
  if (events.length === 0) return say('orphan', 'there is an execution and no event');
  const log = checkLog(events, say);
  if (log === null) return;
  const program = await reader.program(ref.tenant, row.programHash);
  if (program === null) return say('program', `no version has the program ${row.programHash}`);
  const state = fold(program, ref.executionId, log, say);
  if (state !== null) checkRows(program, state, log, stored, say);
}

/** The events of a log that can be folded; null: it cannot. */
function checkLog(events: readonly StoredEvent[], say: Say): readonly RecordedEvent[] | null {
  const log: RecordedEvent[] = [];
  let sound = true;
  const broken: Say = (kind, message) => {
    sound = false;
    say(kind, message);
  };
  for (const [i, { seq, epoch, at, event }] of events.entries()) {
    const before = events[i - 1];
    const next = (before?.seq ?? 0) + 1;
    if (seq !== next) broken('sequence', `event ${next} is missing before event ${seq}`);
    if (before !== undefined && epoch < before.epoch) say('epoch', `it falls at event ${seq}`);
    if (before !== undefined && at < before.at) say('time', `it falls at event ${seq}`);
    if (event === null) broken('unreadable', `event ${seq} cannot be read`);
    else log.push({ seq, at, event });
  }
  for (const [i, { event, seq }] of log.entries()) {
    const misplaced = (i === 0) !== (event.type === 'execution_created');
    const followed = endsExecution(event) && i < log.length - 1;
    if (misplaced || followed) broken('order', `event ${seq} of ${log.length} is ${event.type}`);
  }
  return sound ? log : null;
}

function endsExecution({ type }: ExecutionEvent): boolean {
  return /^execution_(?:completed|failed|cancelled)$/.test(type);
}

function fold(
  program: Program,
  id: string,
  log: readonly RecordedEvent[],
  say: Say,
): ExecutionState | null {
  let state = initialState({ id });
  for (const recorded of log) {
    try {
      state = apply(program, state, recorded);
    } catch {
      // What the error says may quote the event.
      say('fold', `event ${recorded.seq}, ${recorded.event.type}, does not fit the program`);
      return null;
    }
  }
  return state;
}

function checkRows(
  program: Program,
  state: ExecutionState,
  log: readonly RecordedEvent[],
  { row, steps }: StoredExecution,
  say: Say,
): void {
  const events = log.map(({ event }) => event);
  const folded = project(program, state, events);
  if (row !== null && folded.execution !== null) {
    const wrong = differing(folded.execution, row);
    if (wrong.length > 0) say('execution_row', `the log says otherwise of ${wrong.join(', ')}`);
  } else if (row !== null && isFinal(row.status)) {
    say('execution_row', `the row says ${row.status} and the log knows of no end`);
  }
  const byKey = new Map(steps.map((step) => [step.step, step]));
  for (const step of folded.steps) {
    const stored = byKey.get(step.step);
    byKey.delete(step.step);
    if (stored === undefined) {
      say('step_row', `${step.step} has no row`);
      continue;
    }
    const wrong = differing(step, stored);
    if (wrong.length > 0) {
      say('step_row', `the log says otherwise of ${step.step}: ${wrong.join(', ')}`);
    }
  }
  for (const key of byKey.keys()) say('step_row', `${key} has a row and nothing in the log`);
}

/** Names of members of the first that are not the same in the second. */
function differing(folded: object, stored: object): string[] {
  const a = folded as { readonly [name: string]: Json };
  const b = stored as { readonly [name: string]: Json };
  return Object.keys(a).filter(
    (name) => canonicalJson(a[name] ?? null) !== canonicalJson(b[name] ?? null),
  );
}
