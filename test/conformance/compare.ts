/** What rule 41 compares, in one text for two runs. */
import type { ExecutionReport, StepReport } from '#core/execution/report.ts';
import type { Json } from '#core/json.ts';
import { canonicalJson } from '#core/json.ts';
import { allSteps, type Program, type Step } from '#core/plan/program.ts';
import type { ExecutionResult, RunResult } from './harness.ts';
import type { Call } from './world.ts';

export interface ComparisonOptions {
  /** Calls may have been made again under the same key: after a crash. */
  readonly repeats?: boolean;
  /** Nothing may be later on one side: calls at the same times, undone in the same order. */
  readonly timed?: boolean;
}

/** Two runs of one workflow: what differs, a line each; empty: they mean the same. */
export function differences(
  left: RunResult,
  right: RunResult,
  options: ComparisonOptions = {},
): string[] {
  const found: string[] = [];
  const ids = new Set([...left.executions.keys(), ...right.executions.keys()]);
  for (const id of [...ids].sort()) {
    const [a, b] = [left.executions.get(id), right.executions.get(id)];
    const where = id === left.rootId ? '' : `child ${a?.workflowId ?? b?.workflowId}: `;
    if (a === undefined || b === undefined) {
      found.push(`${where}only one runtime started it`);
      continue;
    }
    found.push(...reportDifferences(a, b, options).map((line) => `${where}${line}`));
  }
  const calls = [left, right].map((run) => callLines(run.calls, options));
  for (const line of onlyIn(calls[0], calls[1])) found.push(`only left called ${line}`);
  for (const line of onlyIn(calls[1], calls[0])) found.push(`only right called ${line}`);
  return found;
}

function reportDifferences(
  left: ExecutionResult,
  right: ExecutionResult,
  options: ComparisonOptions,
): string[] {
  const [a, b] = [left, right].map(({ report }) => report) as [ExecutionReport, ExecutionReport];
  const found: string[] = [];
  const compare = (what: string, one: Json, other: Json): void => {
    const [x, y] = [canonicalJson(one), canonicalJson(other)];
    if (x !== y) found.push(`${what}: ${short(x)} | ${short(y)}`);
  };
  compare('status', a.status, b.status);
  compare('output', a.output, b.output);
  compare('error', errorOf(a.error), errorOf(b.error));
  compare('compensation', a.compensation, b.compensation);
  for (const key of keysOf(a.steps, b.steps)) {
    compare(`step ${key}`, comparable(a.steps[key]), comparable(b.steps[key]));
  }
  for (const key of keysOf(a.calls, b.calls)) {
    compare(`calls of ${key}`, a.calls[key] ?? null, b.calls[key] ?? null);
  }
  const [before, after] = [retriesOf(left), retriesOf(right)];
  for (const key of keysOf(before, after)) {
    compare(`retries of ${key}`, before[key] ?? null, after[key] ?? null);
  }
  const isOrdered = options.timed === true;
  compare('compensations', undone(a, isOrdered), undone(b, isOrdered));
  return found;
}

function keysOf(a: object, b: object): string[] {
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].sort();
}

/** Code and message: expressions read both. */
function errorOf(error: ExecutionReport['error']): Json {
  return error === null ? null : { ...error };
}

function comparable(step: StepReport | undefined): Json {
  if (step === undefined) return 'absent';
  const { status, reason, output, error, attempts } = step;
  return { status, class: step.class, reason, output, error: errorOf(error), attempts };
}

/** Attempts that failed and were repeated, by step, with what each failed of. */
function retriesOf({ events }: ExecutionResult): { readonly [step: string]: Json } {
  const found: { [step: string]: Json[] } = {};
  for (const { event } of events) {
    if (event.type !== 'step_retry_scheduled' && event.type !== 'compensation_retry_scheduled') {
      continue;
    }
    const key = event.type === 'step_retry_scheduled' ? event.step : `undo:${event.step}`;
    found[key] ??= [];
    found[key].push({ attempt: event.attempt, error: errorOf(event.error) });
  }
  return found;
}

/** As a set where a barrier may delay a completion; what order there must be, `orderProblems` says. */
function undone(report: ExecutionReport, isOrdered: boolean): Json {
  const entries = report.compensations.map(({ step, status, attempts, error }) => ({
    step,
    status,
    attempts,
    error: errorOf(error),
  }));
  return isOrdered ? entries : entries.sort((a, b) => (a.step < b.step ? -1 : 1));
}

function callLines(calls: readonly Call[], options: ComparisonOptions): string[] {
  const lines = calls.map(({ executionId, key, attempt, idempotencyKey, what, at }) =>
    canonicalJson({
      ...{ executionId, key, attempt, idempotencyKey, what },
      ...(options.timed === true ? { at } : {}),
    }),
  );
  return (options.repeats === true ? [...new Set(lines)] : lines).sort();
}

function onlyIn(one: readonly string[] = [], other: readonly string[] = []): string[] {
  const left = [...other];
  return one.filter((line) => {
    const at = left.indexOf(line);
    if (at < 0) return true;
    left.splice(at, 1);
    return false;
  });
}

function short(text: string): string {
  return text.length > 300 ? `${text.slice(0, 300)}...` : text;
}

/** How a machine ends; one that is stopped has its execution ended by the engine. */
const MACHINE_STATUS: { readonly [S in ExecutionReport['status']]: string } = {
  PENDING: 'RUNNING',
  RUNNING: 'RUNNING',
  COMPLETED: 'SUCCEEDED',
  FAILED: 'FAILED',
  CANCELLED: 'ABORTED',
};

/** What every run must hold by itself, whatever the other runtime did. */
export function violations(run: RunResult): string[] {
  const found = run.faults.map((fault) => `fault: ${String(fault)}`);
  for (const execution of run.executions.values()) {
    const { report, machine, workflowId } = execution;
    const say = (text: string): void => void found.push(`${workflowId}: ${text}`);
    if (machine !== null) {
      const wanted = MACHINE_STATUS[report.status];
      if (machine.status !== wanted) say(`the machine ended ${machine.status}, not ${wanted}`);
      const output = canonicalJson(machine.output);
      if (wanted === 'SUCCEEDED' && output !== canonicalJson(report.output)) {
        say(`the machine's output is ${short(output)}`);
      }
      if (wanted === 'FAILED' && machine.error !== report.error?.code) {
        say(`the machine's error is ${machine.error}, not ${report.error?.code}`);
      }
      if (wanted === 'FAILED') {
        const { code = null, message = null, step = null } = report.error ?? {};
        const cause = canonicalJson({ code, message, step, compensation: report.compensation });
        if (canonicalJson(JSON.parse(machine.cause ?? 'null') as Json) !== cause) {
          say(`the machine's cause is ${machine.cause}, not ${cause}`);
        }
      }
    }
    for (const [key, step] of Object.entries(report.steps)) {
      if (step.status === 'QUEUED' || step.status === 'EXECUTING') say(`${key} is ${step.status}`);
    }
    if (execution === run.root) found.push(...orderProblems(run));
  }
  return found;
}

/**
 * Rules 3, 4 and 30 in the order of the log: nothing starts before its dependencies have ended, and
 * of two successes that are undone, the one that depends on the other is undone first.
 */
export function orderProblems({ program, root, rootId, calls }: RunResult): string[] {
  const found: string[] = [];
  const steps = new Map([...allSteps(program.root)].map((step) => [step.path, step]));
  const scopes = siblings(program);
  const ended = new Map<string, number>();
  for (const { seq, event } of root.events) {
    if (event.type === 'execution_created') {
      for (const carried of Object.keys(event.carried ?? {})) ended.set(carried, seq);
    }
    if (!('step' in event) || event.step === undefined || event.step === '') continue;
    const [path = '', indices = ''] = event.step.split('[');
    const step = steps.get(path);
    if (step === undefined) continue;
    const suffix = indices === '' ? '' : `[${indices}`;
    if (event.type === 'step_started' && ended.has(event.step)) {
      found.push(`${event.step} starts after its end`);
    }
    // The records of what happened inside a machine come later, in topological order.
    if (event.type === 'step_started' && root.machine === null) {
      for (const position of step.dependsOn) {
        const before = `${scopes.get(step)?.[position]?.path}${suffix}`;
        if (!ended.has(before)) found.push(`${event.step} starts before ${before} has ended`);
      }
    }
    if (event.type === 'step_succeeded' || event.type === 'step_failed') ended.set(event.step, seq);
    if (event.type === 'step_skipped') ended.set(event.step, seq);
  }
  const order = root.report.compensations.map(({ step }) => step);
  const asked = calls
    .filter(({ executionId, key }) => executionId === rootId && key.startsWith('undo:'))
    .map(({ key }) => key.slice('undo:'.length));
  const called = [...new Set(asked)];
  const reported = order.filter((step) => called.includes(step));
  if (called.join() !== reported.join()) {
    found.push(`undone in the order ${called.join()}, reported as ${reported.join()}`);
  }
  for (const [i, first] of order.entries()) {
    for (const later of order.slice(i + 1)) {
      if (precedes(first, later, steps, scopes)) {
        found.push(`${first} is undone before ${later}, which depends on it`);
      }
    }
  }
  return found;
}

function siblings(program: Program): Map<Step, readonly Step[]> {
  const of = new Map<Step, readonly Step[]>();
  const visit = (steps: readonly Step[]): void => {
    for (const step of steps) {
      of.set(step, steps);
      if ('body' in step) visit(step.body.steps);
      if (step.type === 'branch') {
        for (const { body } of step.cases) visit(body.steps);
        if (step.otherwise !== null) visit(step.otherwise.steps);
      }
    }
  };
  visit(program.root.steps);
  return of;
}

/** True when one step instance must have ended before the other began, by the graph. */
function precedes(
  one: string,
  other: string,
  steps: ReadonlyMap<string, Step>,
  scopes: ReadonlyMap<Step, readonly Step[]>,
): boolean {
  const [a, b] = [one, other].map((key) => {
    const [path = '', indices = ''] = key.split('[');
    return { parts: path.split('.'), indices: indices.replace(']', '').split(',') };
  }) as [{ parts: string[]; indices: string[] }, { parts: string[]; indices: string[] }];
  let shared = 0;
  while (a.parts[shared] === b.parts[shared] && shared < a.parts.length - 1) shared += 1;
  if (a.parts.length <= shared || b.parts.length <= shared) return false;
  const left = steps.get(a.parts.slice(0, shared + 1).join('.'));
  const right = steps.get(b.parts.slice(0, shared + 1).join('.'));
  if (left === undefined || right === undefined || left === right) return false;
  // Two iterations of one body are not ordered by its graph.
  let used = 0;
  for (let depth = 0; depth < shared; depth++) {
    const around = steps.get(a.parts.slice(0, depth + 1).join('.'));
    if (around?.type !== 'for_each' && around?.type !== 'loop') continue;
    if (a.indices[used] !== b.indices[used]) return false;
    used += 1;
  }
  const scope = scopes.get(right) ?? [];
  const reach = (from: Step): boolean =>
    from.dependsOn.some((i) => scope[i] === left || (scope[i] !== undefined && reach(scope[i])));
  return reach(right);
}
