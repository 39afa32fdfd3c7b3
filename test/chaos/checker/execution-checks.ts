/** What must hold of one execution, from its log, its rows and its definition. */
import type { Definition, StepDefinition } from '../workload.ts';
import type { StoredExecution } from './evidence.ts';
import { type Folded, fold, name } from './fold.ts';
import { canonical } from './json.ts';
import type { Tally } from './tally.ts';

export function checkExecution(
  execution: StoredExecution,
  definition: Definition | undefined,
  tally: Tally,
): Folded {
  const folded = fold(execution, tally);
  checkRows(execution, folded, tally);
  if (definition === undefined) {
    tally.wrong('I24', `${name(execution)}: nobody published its version ${execution.version}`);
    return folded;
  }
  checkOrder(execution, folded, definition, tally);
  checkLoops(execution, folded, definition, tally);
  checkUndoing(execution, definition, tally);
  checkCancel(execution, tally);
  checkVersion(execution, folded, tally);
  return folded;
}

/** I7: the rows are what the log folds to. */
function checkRows(execution: StoredExecution, folded: Folded, tally: Tally): void {
  tally.looked('I7');
  const same = (what: string, row: unknown, log: unknown): void => {
    const [a, b] = [canonical(row), canonical(log)];
    if (a !== b)
      tally.wrong('I7', `${name(execution)}: ${what} is ${a} in its row, ${b} in the log`);
  };
  same('status', execution.status, folded.status);
  same('output', execution.output, folded.output);
  same('error', execution.errorCode, folded.errorCode);
  same('start', execution.startedAt, folded.startedAt);
  same('end', execution.endedAt, folded.endedAt);
  if (folded.endedAt !== null) same('compensation', execution.compensation, folded.compensation);
  const rows = new Map(execution.steps.map((row) => [row.step, row]));
  for (const [step, own] of folded.steps) {
    const row = rows.get(step);
    rows.delete(step);
    if (row === undefined) {
      tally.wrong('I7', `${name(execution)}: ${step} has no row`);
      continue;
    }
    same(`${step}`, [row.status, row.output], [own.status, own.output]);
    if (own.endedSeq !== null) {
      same(`${step}, its end`, [row.endedAt, row.attempts], [own.endedAt, own.attempts]);
    }
  }
  for (const [step, row] of rows) {
    // A step may have a row before anything has become of it.
    if (row.status !== 'QUEUED') tally.wrong('I7', `${name(execution)}: ${step} is in no event`);
  }
  // The default output of a workflow: outputs of its steps by id.
  if (folded.status === 'COMPLETED') {
    const outputs = [...folded.steps].filter(([step]) => !/[.[]/.test(step));
    const own = Object.fromEntries(outputs.map(([step, { output }]) => [step, output]));
    same('output, from its steps,', execution.output, own);
  }
}

/** I9: a step begins after all that it depends on has ended, and only where its condition holds. */
function checkOrder(
  execution: StoredExecution,
  { steps, startedAt }: Folded,
  definition: Definition,
  tally: Tally,
): void {
  const input = (execution.events[0]?.event['input'] ?? {}) as { readonly go?: boolean };
  for (const step of definition.steps) {
    const own = steps.get(step.id);
    if (own?.startedSeq === null || own === undefined) continue;
    tally.looked('I9');
    for (const before of step.depends_on ?? []) {
      const ended = steps.get(before)?.endedSeq ?? null;
      if (ended === null || ended > own.startedSeq) {
        tally.wrong('I9', `${name(execution)}: ${step.id} begins before ${before} has ended`);
      }
    }
    if (step.when !== undefined && input.go !== true) {
      tally.wrong('I9', `${name(execution)}: ${step.id} begins though its condition does not hold`);
    }
    if (startedAt === null) tally.wrong('I9', `${name(execution)}: ${step.id} begins before it`);
  }
  const join = definition.steps.filter(({ depends_on = [] }) => depends_on.length > 1);
  for (const { id } of join) {
    tally.looked('I13');
    const times = execution.events.filter(
      ({ event }) => event.type === 'step_started' && event.step === id,
    ).length;
    if (times > 1) tally.wrong('I13', `${name(execution)}: the join ${id} begins ${times} times`);
    if (times === 0 && execution.status === 'COMPLETED') {
      tally.wrong('I13', `${name(execution)}: the join ${id} never begins`);
    }
  }
}

/** I13 and I23: each item once, results in order, and never more at a time than its loop allows. */
function checkLoops(
  execution: StoredExecution,
  { steps }: Folded,
  definition: Definition,
  tally: Tally,
): void {
  for (const loop of definition.steps.filter(({ type }) => type === 'for_each')) {
    const own = steps.get(loop.id);
    if (own === undefined || own.status !== 'SUCCESS') continue;
    const input = execution.events[0]?.event['input'] as { readonly items: readonly unknown[] };
    const [inner] = (loop.config?.['steps'] ?? []) as readonly [StepDefinition];
    const path = `${loop.id}.${inner.id}`;
    const wanted = input.items.map((_, i) => `${path}[${i}]`);
    const found = [...steps.keys()].filter((key) => key.startsWith(`${path}[`)).sort();
    tally.looked('I13');
    if (canonical([...wanted].sort()) !== canonical(found)) {
      tally.wrong('I13', `${name(execution)}: ${path} ran for ${found}, not for ${wanted}`);
    }
    const results = wanted.map((key) => ({
      status: steps.get(key)?.status,
      output: { [inner.id]: steps.get(key)?.output },
    }));
    if (canonical(results) !== canonical(own.output)) {
      tally.wrong('I13', `${name(execution)}: results of ${loop.id} are not those of its items`);
    }
    const most = loop.config?.['concurrency'] as number;
    const open = new Set<string>();
    tally.looked('I23');
    for (const { event } of execution.events) {
      const { type, step = '' } = event;
      if (!step.startsWith(`${path}[`)) continue;
      if (type === 'step_started') open.add(step);
      else if (/^step_(succeeded|failed)$/.test(type)) open.delete(step);
      if (open.size > most) {
        tally.wrong('I23', `${name(execution)}: ${open.size} of ${path} at once, not ${most}`);
        break;
      }
    }
  }
}

/** I14: compensations are the reverse of completed steps that have one, one after the other. */
function checkUndoing(execution: StoredExecution, definition: Definition, tally: Tally): void {
  const able = new Set(definition.steps.filter((step) => step.compensate).map(({ id }) => id));
  // One that has not ended is in the middle of it, and is told of by L2.
  if (able.size === 0 || execution.endedAt === null) return;
  tally.looked('I14');
  const of = (type: string) =>
    execution.events.flatMap(({ event }) =>
      event.type === type && event.step !== undefined ? [event.step] : [],
    );
  const done = of('step_succeeded').filter((step) => able.has(step));
  const begun = [...new Set(of('compensation_attempt_started'))];
  const ended = [...of('compensation_succeeded'), ...of('compensation_failed')];
  const wanted = execution.status === 'FAILED' ? [...done].reverse() : [];
  if (canonical(begun) !== canonical(wanted)) {
    tally.wrong('I14', `${name(execution)}: undoes [${begun}], and should [${wanted}]`);
  }
  if (
    new Set(ended).size !== ended.length ||
    (execution.endedAt !== null && ended.length !== begun.length)
  ) {
    tally.wrong('I14', `${name(execution)}: of [${begun}] the undoing of [${ended}] ended`);
  }
  const failed = of('compensation_failed').length > 0;
  const said = wanted.length === 0 ? 'NONE' : failed ? 'PARTIAL' : 'COMPLETE';
  if (execution.status === 'FAILED' && execution.compensation !== said) {
    tally.wrong('I14', `${name(execution)}: says ${execution.compensation} and is ${said}`);
  }
  let open: string | null = null;
  for (const { event } of execution.events) {
    if (event.type === 'compensation_attempt_started') {
      if (open !== null && open !== event.step) {
        tally.wrong('I14', `${name(execution)}: undoes ${event.step} beside ${open}`);
      }
      open = event.step ?? null;
    } else if (/^compensation_(succeeded|failed)$/.test(event.type)) open = null;
  }
}

/** I15: after a cancel is in the log nothing begins, and it ends as cancelled. */
function checkCancel(execution: StoredExecution, tally: Tally): void {
  const at = execution.events.findIndex(
    ({ event }) => event.type === 'cancel_requested' || event.type === 'execution_cancelled',
  );
  if (at < 0) return;
  tally.looked('I15');
  for (const { event, seq } of execution.events.slice(at)) {
    if (/^(step_started|attempt_started|child_started)$/.test(event.type)) {
      tally.wrong('I15', `${name(execution)}: ${event.step} begins at ${seq}, after the cancel`);
    }
  }
  if (execution.endedAt !== null && execution.status !== 'CANCELLED') {
    tally.wrong('I15', `${name(execution)}: was cancelled and ended as ${execution.status}`);
  }
}

/** I24: rows, log and what the execution itself answered name one version. */
function checkVersion(execution: StoredExecution, folded: Folded, tally: Tally): void {
  tally.looked('I24');
  const created = execution.events[0]?.event;
  const { version, programHash } = execution;
  if (created?.['version'] !== version || created['program_hash'] !== programHash) {
    tally.wrong(
      'I24',
      `${name(execution)}: began as ${created?.['version']}, its row says ${version}`,
    );
  }
  const answered = folded.steps.get('which');
  if (answered?.status === 'SUCCESS' && answered.output !== version) {
    tally.wrong(
      'I24',
      `${name(execution)}: of version ${version} did what ${answered.output} does`,
    );
  }
}
