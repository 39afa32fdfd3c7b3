/** What the ledger and the target know, held against what the platform recorded. */
import type { Call, LedgerLine } from '../records.ts';
import { OPERATION } from '../workload.ts';
import type { PlatformEvidence, StoredExecution } from './evidence.ts';
import { type Folded, name } from './fold.ts';
import type { Tally } from './tally.ts';

type Line<K extends LedgerLine['kind']> = Extract<LedgerLine, { readonly kind: K }>;

function linesOf<K extends LedgerLine['kind']>(ledger: readonly LedgerLine[], kind: K): Line<K>[] {
  return ledger.filter((line): line is Line<K> => line.kind === kind);
}

/** What is asked of all executions together: I1, I2, I3 and that a cancel that was acknowledged is one. */
export function createLedgerChecks(evidence: PlatformEvidence, tally: Tally) {
  const { ledger, keys } = evidence;
  const started = linesOf(ledger, 'started');
  const byId = new Map(started.map((line) => [line.id, line]));
  const intents = new Set(linesOf(ledger, 'intent').map(({ tenant, key }) => `${tenant} ${key}`));
  const cancelled = new Map(linesOf(ledger, 'cancelled').map((line) => [line.id, line]));
  const keyOf = new Map(keys.map(({ tenant, key, execution }) => [execution, `${tenant} ${key}`]));
  const byLabel = new Map<string, string>();
  const statuses = new Map<string, string>();
  /** Steps that began, of executions that started others. */
  const began = new Set<string>();
  const children = new Map<string, string>();

  return {
    one(execution: StoredExecution): void {
      const { id, key, tenant, parent, parentStep } = execution;
      statuses.set(id, execution.status);
      if (parent !== null) children.set(id, `${parent} ${parentStep}`);
      for (const { event } of execution.events) {
        if (event.type === 'step_started') began.add(`${id} ${event.step}`);
      }
      tally.looked('I2');
      const request = keyOf.get(id);
      if (parent === null && (request === undefined || !intents.has(request))) {
        tally.wrong('I2', `${name(execution)}: nobody asked for it (${request ?? 'no key'})`);
      }
      if (key === null) return;
      tally.looked('I3');
      const label = `${tenant} ${key}`;
      const other = byLabel.get(label);
      if (other !== undefined) tally.wrong('I3', `${key} started both ${other} and ${id}`);
      byLabel.set(label, id);
    },
    end(): void {
      for (const [id, step] of children) {
        if (!began.has(step)) tally.wrong('I2', `child ${id}: ${step} never began to start it`);
      }
      const answered = new Map<string, string>();
      for (const { tenant, key, id, workflow } of started) {
        tally.looked('I1');
        if (!statuses.has(id))
          tally.wrong('I1', `${workflow} ${id} was acknowledged and is not there`);
        const said = evidence.answers.get(id);
        if (said === null) tally.wrong('I1', `${workflow} ${id}: the API does not answer it`);
        answered.set(`${tenant} ${key}`, id);
      }
      for (const { tenant, key, id } of linesOf(ledger, 'repeated')) {
        tally.looked('I3');
        const first = answered.get(`${tenant} ${key}`);
        if (id !== first) tally.wrong('I3', `${key} was answered ${first}, then ${id}`);
      }
      for (const { key, status } of linesOf(ledger, 'conflicting')) {
        tally.looked('I3');
        if (status !== 409 && status !== 422) {
          tally.wrong('I3', `${key} with another body was answered ${status}`);
        }
      }
      for (const [id, { status }] of cancelled) {
        if (status >= 300) continue;
        tally.looked('I15');
        const end = statuses.get(id);
        if (end !== 'CANCELLED')
          tally.wrong('I15', `${id}: its cancel was acknowledged, it is ${end}`);
      }
      for (const gate of linesOf(ledger, 'gate')) {
        tally.looked('I23', gate.accepted);
        if (gate.begun > 0)
          tally.wrong('I23', `${gate.begun} of ${gate.workflow} began behind its gate`);
      }
    },
    /** I24: what was started without naming a version has the newest that was there, or a later one. */
    version(execution: StoredExecution): void {
      const line = byId.get(execution.id);
      if (line?.atLeast == null) return;
      tally.looked('I24');
      if (patchOf(execution.version) < patchOf(line.atLeast)) {
        tally.wrong(
          'I24',
          `${name(execution)}: is ${execution.version}, ${line.atLeast} was there`,
        );
      }
    },
  };
}

function patchOf(version: string): number {
  return Number(version.split('.')[2]);
}

/** I8, I10 to I12: what one execution recorded of calls, and what the target was asked. */
export function checkCalls(
  execution: StoredExecution,
  folded: Folded,
  of: {
    readonly calls: readonly Call[];
    /** Rows that its database step left. */
    readonly effects: number;
    /** How often it may have changed hands. */
    readonly changes: number;
    /** Real milliseconds after its record within which a call may still come: what was under way. */
    readonly underWayMs: number;
  },
  tally: Tally,
): void {
  const { calls, effects, changes, underWayMs } = of;
  const byKey = Map.groupBy(calls, ({ key }) => key);
  for (const [key, own] of byKey) {
    const undoing = key.endsWith('/compensate');
    const step = (own[0] as Call).step;
    const about = `${name(execution)}: ${step}${undoing ? ', its undoing' : ''}`;
    const attempts = undoing ? undoingsOf(execution, step) : (folded.steps.get(step)?.begun ?? 0);
    tally.looked('I10');
    if (own.length > attempts + changes) {
      tally.wrong(
        'I10',
        `${about}: ${own.length} calls, ${attempts} attempts, changes of hands ${changes}`,
      );
    }
    const sorted = [...own].sort((a, b) => a.from - b.from);
    const beside = sorted.filter(
      (each, i) => i > 0 && each.from < (sorted[i - 1] as Call).to,
    ).length;
    if (beside > changes)
      tally.wrong('I10', `${about}: ${beside} calls beside another, changes of hands ${changes}`);
    if (attempts === 0 && !undoing) tally.wrong('I10', `${about}: was called and never began`);
    const ended = undoing ? undoneAt(execution, step) : endOf(folded, step);
    if (ended === null) continue;
    tally.looked('I11');
    const late = own.filter(({ from }) => from > ended + underWayMs);
    if (late.length > 0) {
      tally.wrong(
        'I11',
        `${about}: called ${(late[0] as Call).from - ended} ms after it was recorded`,
      );
    }
  }
  checkResults(execution, folded, calls, byKey, tally);
  const paid = folded.steps.get(OPERATION);
  if (paid === undefined && effects === 0) return;
  tally.looked('I12');
  const wanted = paid?.status === 'SUCCESS' ? 1 : 0;
  if (effects !== wanted && !(wanted === 0 && effects === 1)) {
    tally.wrong(
      'I12',
      `${name(execution)}: took effect ${effects} times, is recorded ${wanted} times`,
    );
  }
}

/** I8: a result is what one call was answered, and whatever came after saw the same. */
function checkResults(
  execution: StoredExecution,
  folded: Folded,
  calls: readonly Call[],
  byKey: ReadonlyMap<string, readonly Call[]>,
  tally: Tally,
): void {
  const recorded = new Map<string, unknown>();
  for (const { event } of execution.events) {
    if (event.type !== 'step_succeeded' || event.step === undefined) continue;
    tally.looked('I8');
    if (recorded.has(event.step))
      tally.wrong('I8', `${name(execution)}: ${event.step} has two results`);
    recorded.set(event.step, event['output']);
  }
  for (const [key, own] of byKey) {
    const step = (own[0] as Call).step;
    if (key.endsWith('/compensate') || folded.steps.get(step)?.status !== 'SUCCESS') continue;
    const result = recorded.get(step);
    if (!own.some(({ value }) => value !== null && value === result)) {
      tally.wrong('I8', `${name(execution)}: ${step} says ${result}, and was never answered that`);
    }
  }
  for (const { given, step } of calls) {
    for (const [before, value] of Object.entries(given)) {
      tally.looked('I8');
      if (recorded.get(before) !== value) {
        tally.wrong(
          'I8',
          `${name(execution)}: ${step} was given ${value} of ${before}, its log says ${recorded.get(before)}`,
        );
      }
    }
  }
}

function endOf(folded: Folded, step: string): number | null {
  const own = folded.steps.get(step);
  return own?.status === 'SUCCESS' ? own.endedAt : null;
}

function undoingsOf(execution: StoredExecution, step: string): number {
  return execution.events.filter(
    ({ event }) => event.type === 'compensation_attempt_started' && event.step === step,
  ).length;
}

function undoneAt(execution: StoredExecution, step: string): number | null {
  const found = execution.events.find(
    ({ event }) => event.type === 'compensation_succeeded' && event.step === step,
  );
  return found?.at ?? null;
}
