/** What must hold in the store after any fault, read past the product with plain SQL. */
import pg from 'pg';
import { apply } from '#core/execution/apply.ts';
import type { CompensationState, ExecutionEvent, RecordedEvent } from '#core/execution/events.ts';
import { type ExecutionProjection, project, type StepProjection } from '#core/execution/project.ts';
import { type ExecutionReport, report } from '#core/execution/report.ts';
import { type ExecutionState, initialState } from '#core/execution/state.ts';
import { canonicalJson, type Json } from '#core/json.ts';
import type { Program } from '#core/plan/program.ts';

/** An execution as its log says, and what is wrong with it. */
export interface Audited {
  readonly id: string;
  readonly workflowId: string;
  readonly runtime: string;
  readonly parentId: string | null;
  readonly events: readonly RecordedEvent[];
  readonly state: ExecutionState;
  readonly report: ExecutionReport;
}

export interface Audit {
  readonly executions: ReadonlyMap<string, Audited>;
  /** A line for each violation. */
  readonly violations: readonly string[];
}

interface EventRow {
  readonly execution_id: string;
  readonly seq: number;
  readonly epoch: number;
  readonly at: number;
  readonly payload: string;
}

interface ExecutionRow {
  readonly id: string;
  readonly workflow_id: string;
  readonly runtime: string;
  readonly parent_id: string | null;
  readonly program_hash: string;
  readonly status: string;
  readonly phase: string | null;
  readonly output: string | null;
  readonly error: string | null;
  readonly compensation: CompensationState | null;
  readonly created_at: number;
  readonly started_at: number | null;
  readonly ended_at: number | null;
}

interface StepRow {
  readonly execution_id: string;
  readonly step: string;
  readonly status: string;
  readonly class: string | null;
  readonly reason: string | null;
  readonly phase: string | null;
  readonly attempts: number;
  readonly started_at: number | null;
  readonly ended_at: number | null;
  readonly due_at: number | null;
  readonly output: string | null;
  readonly error: string | null;
}

const TERMINAL = ['step_succeeded', 'step_failed', 'step_skipped'];

/** Reads every execution and holds it against I1, I4 to I8 and I15. */
export async function auditStore(
  url: string,
  programs: ReadonlyMap<string, Program>,
): Promise<Audit> {
  const client = new pg.Client({
    connectionString: url,
    types: {
      getTypeParser: ((oid: number, format?: 'text') =>
        oid === pg.types.builtins.TIMESTAMPTZ
          ? (value: string) => Date.parse(value)
          : pg.types.getTypeParser(oid, format)) as typeof pg.types.getTypeParser,
    },
  });
  await client.connect();
  try {
    await client.query("set timezone = 'UTC'");
    const rows = <T extends object>(sql: string) => client.query<T>(sql).then((all) => all.rows);
    const events = Map.groupBy(
      await rows<EventRow>(
        'select execution_id, seq, epoch, at, payload from execution_events order by execution_id, seq',
      ),
      (row) => row.execution_id,
    );
    const steps = Map.groupBy(
      await rows<StepRow>('select * from workflow_steps'),
      (row) => row.execution_id,
    );
    const executions = new Map<string, Audited>();
    const violations: string[] = [];
    for (const row of await rows<ExecutionRow>('select * from workflow_executions')) {
      const say = (text: string) => violations.push(`${row.workflow_id} ${row.runtime}: ${text}`);
      const own = events.get(row.id) ?? [];
      const program = programs.get(row.program_hash);
      if (program === undefined) {
        say(`its program ${row.program_hash} is not one of ours`);
        continue;
      }
      checkSequence(own, say);
      const log = own.map(toEvent);
      checkEvents(log, say);
      let state = initialState({ id: row.id });
      for (const event of log) state = apply(program, state, event);
      checkRows(program, state, log, row, steps.get(row.id) ?? [], say);
      executions.set(row.id, {
        id: row.id,
        workflowId: row.workflow_id,
        runtime: row.runtime,
        parentId: row.parent_id,
        events: log,
        state,
        report: report(program, state),
      });
    }
    return { executions, violations };
  } finally {
    await client.end();
  }
}

function decode(text: string): Json {
  return JSON.parse(text.slice(text.indexOf(':') + 1)) as Json;
}

function toEvent({ seq, at, payload }: EventRow): RecordedEvent {
  return { seq, at, event: decode(payload) as unknown as ExecutionEvent };
}

/** I4, I5, and that business time never goes back along a log. */
function checkSequence(rows: readonly EventRow[], say: (text: string) => void): void {
  for (const [i, row] of rows.entries()) {
    const before = rows[i - 1];
    if (row.seq !== i + 1) say(`event ${row.seq} stands where ${i + 1} should`);
    if (before !== undefined && row.epoch < before.epoch) {
      say(`epoch fell from ${before.epoch} to ${row.epoch} at event ${row.seq}`);
    }
    if (before !== undefined && row.at < before.at) {
      say(`time fell by ${before.at - row.at} ms at event ${row.seq}`);
    }
  }
}

/** I6, I8: one end for each step, one for the execution, and nothing after it. */
function checkEvents(log: readonly RecordedEvent[], say: (text: string) => void): void {
  const ended = new Set<string>();
  for (const [i, { event, seq }] of log.entries()) {
    if ((i === 0) !== (event.type === 'execution_created')) say(`event ${seq} is ${event.type}`);
    const isEnd = /^execution_(completed|failed|cancelled)$/.test(event.type);
    if (isEnd !== (i === log.length - 1)) say(`event ${seq} of ${log.length} is ${event.type}`);
    if (!('step' in event) || event.step === undefined) continue;
    if (TERMINAL.includes(event.type)) {
      if (ended.has(event.step)) say(`${event.step} ended twice`);
      ended.add(event.step);
    }
  }
}

/** I7: the log folds to what the rows say. */
function checkRows(
  program: Program,
  state: ExecutionState,
  log: readonly RecordedEvent[],
  row: ExecutionRow,
  steps: readonly StepRow[],
  say: (text: string) => void,
): void {
  const folded = project(
    program,
    state,
    log.map(({ event }) => event),
  );
  if (folded.execution !== null) {
    const stored: ExecutionProjection = {
      status: row.status as ExecutionProjection['status'],
      phase: row.phase,
      startedAt: row.started_at,
      endedAt: row.ended_at,
      output: row.output === null ? null : decode(row.output),
      error: (row.error === null ? null : decode(row.error)) as ExecutionProjection['error'],
      compensation: row.compensation,
    };
    same('the execution', folded.execution, stored, say);
  }
  const byKey = new Map(steps.map((step) => [step.step, step]));
  for (const step of folded.steps) {
    const found = byKey.get(step.step);
    byKey.delete(step.step);
    if (found === undefined) say(`${step.step} has no row`);
    else same(step.step, step, storedStep(found), say);
  }
  for (const key of byKey.keys()) say(`${key} has a row and nothing in the log`);
}

function storedStep(row: StepRow): StepProjection {
  return {
    step: row.step,
    status: row.status as StepProjection['status'],
    class: row.class as StepProjection['class'],
    reason: row.reason as StepProjection['reason'],
    phase: row.phase,
    attempts: row.attempts,
    startedAt: row.started_at,
    endedAt: row.ended_at,
    dueAt: row.due_at,
    output: row.output === null ? null : decode(row.output),
    error: (row.error === null ? null : decode(row.error)) as StepProjection['error'],
  };
}

function same(what: string, folded: object, stored: object, say: (text: string) => void): void {
  const [a, b] = [canonicalJson(folded as Json), canonicalJson(stored as Json)];
  if (a !== b) say(`${what} is ${b} in its row, ${a} in the log`);
}
