import { isDeepStrictEqual } from 'node:util';
import type { ExecutionEvent, RecordedEvent } from '#core/execution/events.ts';
import { parseStepKey } from '#core/execution/events.ts';
import type { Json } from '#core/json.ts';
import type { Program, Scope, Step, TriggerRule } from '#core/plan/program.ts';
import { scopesOf } from '#core/plan/program.ts';
import type { Run } from './simulation.ts';

/**
 * Checks a run by its log and by what the world saw, with a reading of the rules of its own: nothing
 * of the core is used but the shape of events and keys. Numbers are those of the reliability
 * invariants. Answers what is broken; empty: nothing.
 */
export function violations(run: Run): string[] {
  const facts = gather(run);
  return [
    ...sequence(run),
    ...transitions(run, facts),
    ...folds(run),
    ...results(run, facts),
    ...starts(facts),
    ...attempts(run, facts),
    ...iterations(facts),
    ...saga(run, facts),
    ...afterCancel(run),
    ...heard(run),
    ...outcome(run, facts),
    ...quota(run),
  ];
}

/** Whether an event puts an end to an execution from outside its steps. */
function stops({ type }: ExecutionEvent): boolean {
  return type === 'cancel_requested' || type === 'execution_timed_out' || type === 'quota_exceeded';
}

interface StepFacts {
  readonly key: string;
  readonly step: Step;
  readonly scope: Scope;
  readonly indices: readonly number[];
  startedSeq: number | null;
  ended: { readonly seq: number; readonly at: number; readonly event: StepEnd } | null;
  starts: number;
  ends: number;
}

type StepEnd = Extract<ExecutionEvent, { type: 'step_succeeded' | 'step_failed' | 'step_skipped' }>;

interface Facts {
  readonly program: Program;
  readonly log: readonly RecordedEvent[];
  readonly steps: ReadonlyMap<string, StepFacts>;
  /** Stopped or halted: not everything has to have run. */
  readonly cutShort: boolean;
}

const keyOf = (path: string, indices: readonly number[]): string =>
  indices.length === 0 ? path : `${path}[${indices.join(',')}]`;

function gather({ program, store }: Run): Facts {
  const byPath = new Map<string, { step: Step; scope: Scope }>();
  const visit = (scope: Scope): void => {
    for (const step of scope.steps) {
      byPath.set(step.path, { step, scope });
      for (const [, inner] of scopesOf(step)) visit(inner);
    }
  };
  visit(program.root);
  const steps = new Map<string, StepFacts>();
  for (const { seq, at, event } of store.log) {
    if (!('step' in event) || event.step === undefined || event.step === '') continue;
    const { path, indices } = parseStepKey(event.step);
    const found = byPath.get(path);
    if (found === undefined) throw new Error(`the log names ${event.step}`);
    const facts = steps.get(event.step) ?? {
      key: event.step,
      ...found,
      indices,
      startedSeq: null,
      ended: null,
      starts: 0,
      ends: 0,
    };
    steps.set(event.step, facts);
    if (event.type === 'step_started') {
      facts.startedSeq = seq;
      facts.starts += 1;
    }
    if (isEnd(event)) {
      facts.ended ??= { seq, at, event };
      facts.ends += 1;
    }
  }
  const cutShort = store.log.some(
    ({ event }) =>
      stops(event) ||
      (event.type === 'step_skipped' && event.reason === 'HALTED') ||
      (program.onFailure === 'halt' && event.type === 'step_failed'),
  );
  return { program, log: store.log, steps, cutShort };
}

function isEnd(event: ExecutionEvent): event is StepEnd {
  return (
    event.type === 'step_succeeded' || event.type === 'step_failed' || event.type === 'step_skipped'
  );
}

/** I4 and I5. */
function sequence({ store }: Run): string[] {
  const found: string[] = [];
  for (const [i, { seq, epoch }] of store.log.entries()) {
    if (seq !== i + 1) found.push(`I4 event ${i + 1} has number ${seq}`);
    if (i > 0 && epoch < (store.log[i - 1]?.epoch ?? 0)) found.push(`I5 epoch falls at ${seq}`);
  }
  return found;
}

/** I6: each step and the execution go through legal states only. */
function transitions({ store, ended }: Run, { steps }: Facts): string[] {
  const found: string[] = [];
  if (!ended) found.push('L2 the execution does not end');
  const types = store.log.map(({ event }) => event.type);
  const finals = types.filter((type) => /^execution_(completed|failed|cancelled)$/.test(type));
  if (types[0] !== 'execution_created') found.push('I6 the log does not begin with the creation');
  if (types.filter((type) => type === 'execution_started').length !== 1) {
    found.push('I6 not started exactly once');
  }
  if (ended && (finals.length !== 1 || types.at(-1) !== finals[0])) {
    found.push('I6 the end is not the end');
  }
  for (const { key, startedSeq, ended: end, starts, ends } of steps.values()) {
    if (starts > 1) found.push(`I13 ${key} started ${starts} times`);
    if (ends > 1) found.push(`I8 ${key} ended ${ends} times`);
    if (ended && end === null) found.push(`I6 ${key} never ended`);
    if (end?.event.type === 'step_skipped' && startedSeq !== null) {
      found.push(`I6 ${key} was skipped after its start`);
    }
    const neverRan = end?.event.type === 'step_failed' && end.event.attempts === 0;
    if (end !== null && end.event.type !== 'step_skipped' && startedSeq === null && !neverRan) {
      found.push(`I6 ${key} ended without a start`);
    }
    if (end !== null && startedSeq !== null && end.seq < startedSeq) {
      found.push(`I6 ${key} ended before its start`);
    }
  }
  return found;
}

/** I7: checkpoint and tail, the whole log, and what the hosts hold are one state. */
function folds(run: Run): string[] {
  const found: string[] = [];
  if (!isDeepStrictEqual(run.store.load(), run.final)) {
    found.push('I7 checkpoint and tail differ from the log');
  }
  for (const state of run.hosts) {
    if (state.seq === run.final.seq && !isDeepStrictEqual(state, run.final)) {
      found.push('I7 a host holds another state than the log');
    }
  }
  return found;
}

/** I8: what is recorded of a call is what the world answered to that very attempt. */
function results({ world }: Run, { steps }: Facts): string[] {
  const found: string[] = [];
  for (const { key, step, ended } of steps.values()) {
    if (!('retry' in step) || ended === null || ended.event.type === 'step_skipped') continue;
    const { event } = ended;
    if (event.type === 'step_failed' && LOCAL_ERRORS.has(event.error.code)) continue;
    const reaction = world.reactionTo('call', key, event.attempts);
    if (event.type === 'step_failed') {
      if (reaction.kind !== 'error' || reaction.code !== event.error.code) {
        found.push(`I8 ${key} failed with what attempt ${event.attempts} was not answered`);
      }
    } else if (reaction.kind !== 'ok') {
      found.push(`I8 ${key} succeeded where attempt ${event.attempts} was refused`);
    } else if (!says(event.output, reaction.output)) {
      found.push(`I8 ${key} recorded another output than attempt ${event.attempts} gave`);
    }
  }
  return found;
}

/** Errors that a connector step may end with though no call said so. */
const LOCAL_ERRORS: ReadonlySet<string> = new Set([
  'CloudFlow.ExpressionError',
  'CloudFlow.Cancelled',
  'CloudFlow.OutputTooLarge',
]);

/** Outputs are raw, or shaped into `{all: text}`. */
function says(output: Json, raw: Json): boolean {
  if (isDeepStrictEqual(output, raw)) return true;
  const all = (output as { all?: unknown } | null)?.all;
  return typeof all === 'string' && isDeepStrictEqual(JSON.parse(all), raw);
}

const classOf = ({ step, ended }: StepFacts): 'S' | 'F' | 'U' | 'K' | null => {
  if (ended === null) return null;
  if (ended.event.type === 'step_skipped') return ended.event.class;
  return ended.event.type === 'step_succeeded' || step.continueOnFailure ? 'S' : 'F';
};

/** Rule 7 once more, over counted classes. */
const ADMITS: { readonly [R in TriggerRule]: (classes: string) => boolean } = {
  all_success: (classes) => /^S*$/.test(classes),
  none_failed: (classes) => /^[SK]*$/.test(classes),
  none_failed_min_one_success: (classes) => /^[SK]*S[SK]*$/.test(classes),
  all_done: () => true,
  one_failed: (classes) => /[FU]/.test(classes),
  all_failed: (classes) => /^[FU]*$/.test(classes),
};

/** I9: nothing starts early or against its rule; a skip has the class that its rule gives it. */
function starts({ steps }: Facts): string[] {
  const found: string[] = [];
  for (const { key, step, scope, indices, startedSeq, ended } of steps.values()) {
    const first = startedSeq ?? ended?.seq ?? 0;
    const skipped = ended?.event.type === 'step_skipped' ? ended.event : null;
    const stopped = skipped?.reason === 'CANCELLED' || skipped?.reason === 'HALTED';
    const dependencies = step.dependsOn.map((position) =>
      steps.get(keyOf(scope.steps[position]?.path ?? '', indices)),
    );
    if (stopped) continue;
    if (dependencies.some((d) => d?.ended === undefined || (d.ended?.seq ?? 1e9) > first)) {
      found.push(`I9 ${key} does not wait for its dependencies`);
      continue;
    }
    const classes = dependencies.map((d) => (d === undefined ? '' : classOf(d))).join('');
    const admitted = dependencies.length === 0 || ADMITS[step.trigger](classes);
    const byRule = skipped !== null && !skipped.reason.startsWith('CONDITION_');
    if (admitted === byRule) found.push(`I9 ${key} goes against ${step.trigger} of ${classes}`);
    if (!byRule) continue;
    const wants = step.trigger.startsWith('all_success') || step.trigger.startsWith('none');
    const expected = wants && /[FU]/.test(classes) ? 'U' : 'K';
    if (skipped.class !== expected) found.push(`rule 8 ${key} is skipped as ${skipped.class}`);
  }
  return found;
}

/** I10 and rule 16: attempts count up, on time, within the policy, and are called once per host. */
function attempts({ world, crashes }: Run, { log, steps, cutShort }: Facts): string[] {
  const found: string[] = [];
  const running = new Map<string, { attempt: number; dueAt: number | null; since: number }>();
  for (const { at, event } of log) {
    if (event.type === 'step_started') {
      running.set(event.step, { attempt: 1, dueAt: null, since: at });
    }
    if (event.type === 'step_succeeded' || event.type === 'step_failed') {
      const { attempt, since } = running.get(event.step) ?? { attempt: 0, since: at };
      const isCall = 'retry' in (steps.get(event.step)?.step ?? {});
      const local = event.type === 'step_failed' && LOCAL_ERRORS.has(event.error.code);
      const early = at < since + world.reactionTo('call', event.step, attempt).ms;
      if (isCall && !local && early) found.push(`I8 ${event.step} ends before it is answered`);
    }
    if (event.type !== 'step_retry_scheduled' && event.type !== 'attempt_started') continue;
    const now = running.get(event.step);
    const step = steps.get(event.step)?.step;
    if (now === undefined || step === undefined || !('retry' in step)) {
      found.push(`I10 ${event.step} is retried without a start`);
      continue;
    }
    if (event.type === 'attempt_started') {
      if (event.attempt !== now.attempt + 1) found.push(`I10 ${event.step} skips an attempt`);
      if (now.dueAt === null || at < now.dueAt) found.push(`rule 16 ${event.step} retries early`);
      running.set(event.step, { attempt: event.attempt, dueAt: null, since: at });
      continue;
    }
    const { intervalMs, rate, maxAttempts } = step.retry;
    if (event.attempt !== now.attempt) found.push(`I10 ${event.step} counts attempts wrongly`);
    if (event.attempt > maxAttempts) found.push(`rule 16 ${event.step} retries too often`);
    if (event.due_at !== at + intervalMs * rate ** (event.attempt - 1)) {
      found.push(`rule 16 ${event.step} waits ${event.due_at - at} ms`);
    }
    const reaction = world.reactionTo('call', event.step, event.attempt);
    if (reaction.kind !== 'error' || reaction.code !== event.error.code) {
      found.push(`I8 ${event.step} retries what attempt ${event.attempt} was not answered`);
    }
    if (at < now.since + reaction.ms) found.push(`I8 ${event.step} retries before it is answered`);
    running.set(event.step, { attempt: event.attempt, dueAt: event.due_at, since: now.since });
  }
  for (const { key, step, ended } of steps.values()) {
    if (!('retry' in step) || ended?.event.type !== 'step_failed' || cutShort) continue;
    const { code } = ended.event.error;
    const again = RETRYABLE.test(code) || step.retry.retryOn?.includes(code) === true;
    if (again && ended.event.attempts !== step.retry.maxAttempts + 1) {
      found.push(`rule 16 ${key} gave up after ${ended.event.attempts} attempts`);
    }
  }
  const hits = new Map<string, number>();
  for (const { kind, step, attempt, host } of world.effects) {
    for (const name of [`${kind} ${step}#${attempt}`, `${kind} ${step}#${attempt} of ${host}`]) {
      hits.set(name, (hits.get(name) ?? 0) + 1);
    }
  }
  for (const [name, count] of hits) {
    const allowed = name.includes(' of ') ? 1 : 1 + crashes;
    if (count > allowed) found.push(`I10 ${name}: ${count} hits, ${crashes} crashes`);
  }
  return found;
}

const RETRYABLE = /^CloudFlow\.(Timeout|Transient|ServerError|ConnectionError|Throttled)$/;

/** I13: as many iterations as items, with their outputs in order, never too many at once. */
function iterations({ log, steps, cutShort }: Facts): string[] {
  const found: string[] = [];
  for (const { key, step, indices, startedSeq, ended } of steps.values()) {
    if (step.type !== 'for_each' || startedSeq === null) continue;
    const started = log[startedSeq - 1]?.event;
    const items = started?.type === 'step_started' ? started.config : null;
    if (!Array.isArray(items)) continue;
    const bodyEnds = (i: number): (StepFacts | undefined)[] =>
      step.body.steps.map((inner) => steps.get(keyOf(inner.path, [...indices, i])));
    const spans = items.flatMap((_, i) => {
      const facts = bodyEnds(i).filter((inner) => inner !== undefined);
      if (facts.length === 0) return [];
      const from = Math.min(...facts.map((inner) => inner.startedSeq ?? inner.ended?.seq ?? 0));
      const whole = facts.length === step.body.steps.length;
      const to = Math.max(...facts.map((inner) => inner.ended?.seq ?? Number.MAX_SAFE_INTEGER));
      return [{ from, to: whole ? to : Number.MAX_SAFE_INTEGER }];
    });
    for (const { from } of spans) {
      const together = spans.filter((other) => other.from <= from && other.to > from).length;
      if (together > step.concurrency) found.push(`I13 ${key} runs ${together} at once`);
    }
    if (cutShort || ended === null) continue;
    const failed = items.map((_, i) =>
      bodyEnds(i).some((inner) => inner === undefined || classOf(inner) === 'F'),
    );
    if (bodyEnds(items.length).some((inner) => inner !== undefined)) {
      found.push(`I13 ${key} runs more iterations than items`);
    }
    if (ended.event.type === 'step_failed') {
      if (!failed.includes(true)) found.push(`I13 ${key} fails without a failed iteration`);
    } else if (ended.event.type === 'step_succeeded') {
      const expected = items.map((_, i) => ({
        status: 'SUCCESS',
        output: Object.fromEntries(
          bodyEnds(i).map((inner) => [inner?.step.id ?? '', outputOf(inner)]),
        ),
      }));
      if (failed.includes(true) || !isDeepStrictEqual(ended.event.output, expected)) {
        found.push(`I13 ${key} does not hold the results of its iterations in order`);
      }
    }
  }
  return found;
}

function outputOf(facts: StepFacts | undefined): Json {
  return facts?.ended?.event.type === 'step_succeeded' ? facts.ended.event.output : null;
}

/** I14: each undoable success is undone once, latest first, or the execution says which are not. */
function saga({ final }: Run, { program, log, steps }: Facts): string[] {
  const found: string[] = [];
  const tried: string[] = [];
  const undone: string[] = [];
  for (const { event } of log) {
    if (event.type === 'compensation_succeeded') undone.push(event.step);
    if (event.type === 'compensation_succeeded' || event.type === 'compensation_failed') {
      tried.push(event.step);
    }
  }
  const undoable = [...steps.values()].filter(
    ({ step, ended }) => step.compensate !== null && ended?.event.type === 'step_succeeded',
  );
  const end = log.at(-1)?.event;
  const cancel = log.find(({ event }) => event.type === 'cancel_requested')?.event;
  const timedOut = log.some(({ event }) => event.type === 'execution_timed_out');
  const asked =
    cancel?.type === 'cancel_requested'
      ? cancel.compensate
      : timedOut
        ? program.onCancel === 'compensate'
        : end?.type === 'execution_failed';
  if (new Set(tried).size !== tried.length) found.push('I14 a step is compensated twice');
  if (!asked && tried.length > 0) found.push('I14 compensated though nobody asked');
  for (const { key } of undoable) {
    if (asked && !tried.includes(key)) found.push(`I14 ${key} is not compensated`);
  }
  for (const key of tried) {
    if (!undoable.some((facts) => facts.key === key)) found.push(`I14 ${key} had no success`);
  }
  for (const [i, key] of tried.entries()) {
    const [now, next] = [steps.get(key)?.ended, steps.get(tried[i + 1] ?? '')?.ended];
    if (now == null || next == null) continue;
    if (next.at > now.at) found.push(`I14 ${tried[i + 1]} is undone too late`);
  }
  for (const [i, later] of tried.entries()) {
    for (const earlier of tried.slice(0, i)) {
      if (precedes(steps, earlier, later)) found.push(`I14 ${earlier} is undone before ${later}`);
    }
  }
  const expected =
    tried.length === 0 ? 'NONE' : undone.length === undoable.length ? 'COMPLETE' : 'PARTIAL';
  if (end !== undefined && 'compensation' in end && end.compensation !== expected) {
    found.push(`I14 the end says ${end.compensation} where it is ${expected}`);
  }
  if (final.status === 'COMPLETED' && tried.length > 0) found.push('I14 a success is undone');
  return found;
}

/** Whether step instance a comes before b by dependencies or by iterations of a loop around both. */
function precedes(steps: ReadonlyMap<string, StepFacts>, a: string, b: string): boolean {
  const [first, second] = [steps.get(a), steps.get(b)];
  if (first === undefined || second === undefined || first.scope !== second.scope) return false;
  if (first.indices.join() !== second.indices.join()) return false;
  const seen = new Set<number>();
  const open = [...second.step.dependsOn];
  for (let position = open.pop(); position !== undefined; position = open.pop()) {
    if (position === first.step.index) return true;
    if (seen.has(position)) continue;
    seen.add(position);
    open.push(...(second.scope.steps[position]?.dependsOn ?? []));
  }
  return false;
}

/** I15: once cancelled, timed out or over its quota nothing starts. */
function afterCancel({ store }: Run): string[] {
  const from = store.log.findIndex(({ event }) => stops(event));
  if (from < 0) return [];
  return store.log
    .slice(from)
    .filter(({ event }) => STARTS.has(event.type))
    .map(({ event }) => `I15 ${event.type} after the cancel`);
}

const STARTS: ReadonlySet<string> = new Set([
  'step_started',
  'attempt_started',
  'iteration_started',
  'child_started',
]);

/** Rule 35: a cancel that meets an execution whose fate is open ends it. */
function heard({ store }: Run): string[] {
  const cancel = store.signals.find(({ signal }) => signal.kind === 'cancel');
  if (cancel === undefined || !cancel.consumed) return [];
  const before = store.log.slice(0, cancel.consumedAfter).map(({ event }) => event);
  const decided = before.some(
    (event) =>
      DECIDED.test(event.type) || (event.type === 'expression_evaluated' && event.step === ''),
  );
  const found = store.log.some(({ event }) => event.type === 'cancel_requested');
  return decided || found ? [] : ['rule 35 the cancel is not heard'];
}

const DECIDED =
  /^(compensation_started|quota_exceeded|execution_(timed_out|completed|failed|cancelled))$/;

/** Rules 5 and 29: all top-level steps ended, and the outcome is theirs. */
function outcome({ program, final, ended }: Run, { log, steps }: Facts): string[] {
  if (!ended) return [];
  const found: string[] = [];
  const top = program.root.steps.map((step) => steps.get(step.path));
  for (const [i, facts] of top.entries()) {
    if (facts?.ended == null) found.push(`rule 5 ${program.root.steps[i]?.id} never ended`);
  }
  const failed = top.some((facts) => facts !== undefined && classOf(facts) === 'F');
  const stopped = log.some(({ event }) => stops(event));
  const outputFailed = log.some(
    ({ event }) => event.type === 'expression_evaluated' && event.step === '',
  );
  if (!stopped && (final.status === 'FAILED') !== (failed || outputFailed)) {
    found.push(`rule 29 the execution is ${final.status}`);
  }
  return found;
}

/**
 * R43: an execution records what its quota allows, give or take what one decision adds, and its
 * undoing. It ends so only when it had to.
 */
function quota({ quota, final, ended, store }: Run): string[] {
  const own = store.log.filter(({ event }) => !event.type.startsWith('compensation_')).length;
  const at = store.log.findIndex(({ event }) => event.type === 'quota_exceeded');
  const found: string[] = [];
  if (own > quota.events + SURPLUS) found.push(`R43 ${own} events where ${quota.events} may be`);
  if (at >= 0 && at + SURPLUS < quota.events / 2) found.push(`R43 over its quota at event ${at}`);
  if (at >= 0 && ended && final.error?.code !== 'CloudFlow.QuotaExceeded') {
    found.push(`R43 ends with ${final.error?.code}`);
  }
  return found;
}

/** The bodies of the generator's definitions are small: no decision begins more. */
const SURPLUS = 40;
