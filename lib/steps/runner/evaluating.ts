/**
 * Expressions of a step, evaluated for its task: what they read, what was evaluated before, and their
 * values by the code and the evaluator of the engine.
 *
 *  V1 What was evaluated for a step's start is recorded with it, and never evaluated again (rule 12).
 */
import type { RunnerBindings, StepRunnerPayload, TestPayload } from '#core/asl/payload.ts';
import { bind, type Extras, instant, loopRecord } from '#core/execution/bindings.ts';
import { type Rendered, render } from '#core/execution/evaluation.ts';
import type { StepKey } from '#core/execution/events.ts';
import { failures } from '#core/execution/failures.ts';
import { indexOf, type Place, placeOf } from '#core/execution/program-index.ts';
import { stepAt } from '#core/execution/state.ts';
import type { Json, JsonObject } from '#core/json.ts';
import type { Expression, Step, Template, VisibleName } from '#core/plan/program.ts';
import { expressionsOf } from '#core/plan/program.ts';
import { type Bindings, evaluateAll } from '../shape-result.ts';
import { addRecords, addStarted } from './draft.ts';
import { type Entry, enter, failWith, recordIn, type Task } from './task.ts';

/** A payload whose expressions are evaluated; without a step they are the workflow's. */
interface Evaluating {
  readonly step?: StepKey;
  readonly records?: StepRunnerPayload['records'];
  readonly bindings?: RunnerBindings;
  readonly of?: TestPayload['of'];
}

/** What these expressions read: brought by the machine, or in the log. */
export async function bindingsFor(
  task: Task,
  payload: Evaluating,
  expressions: readonly Expression[],
): Promise<Bindings> {
  const { header, program } = task;
  const place = payload.step === undefined ? null : placeOf(indexOf(program), payload.step);
  const startedAt = expressions.some(({ names }) => names.includes('execution'))
    ? await startOf(task)
    : null;
  if (payload.bindings === undefined && readsMachine(expressions, place)) {
    return loggedBindings(task, payload, expressions, place);
  }
  const execution = {
    id: header.id,
    workflow_id: header.workflowId,
    version: header.version,
    started_at: startedAt === null ? null : instant(startedAt),
  };
  return { input: task.state.input, execution, ...((payload.bindings ?? {}) as Bindings) };
}

const ELSEWHERE: readonly VisibleName[] = ['input', 'execution', 'result'];

function readsMachine(expressions: readonly Expression[], place: Place | null): boolean {
  const self = place?.info.step.id;
  return expressions.some(
    ({ steps, names }) =>
      steps.some((id) => id !== self) || names.some((name) => !ELSEWHERE.includes(name)),
  );
}

/** Every task before this one brought what had happened in the machine, so all that is visible is there. */
function loggedBindings(
  task: Task,
  { records, of }: Evaluating,
  expressions: readonly Expression[],
  place: Place | null,
): Promise<Bindings> {
  return recordIn(task, (draft) => {
    addStarted(draft);
    addRecords(draft, records);
    const { index, state } = draft;
    const looping = of === 'loop' && place !== null ? stepAt(state, place) : null;
    const extras: Extras =
      looping === null || place === null
        ? {}
        : { loop: loopRecord(place.info, looping, looping.bodies?.length ?? 0) };
    const bindings = bind(index, state, place, expressions, extras);
    for (const [id, record] of Object.entries((bindings['steps'] ?? {}) as JsonObject)) {
      const { status } = record as { readonly status: string };
      const ended = status !== 'QUEUED' && status !== 'EXECUTING';
      if (!ended && id !== place?.info.step.id) {
        throw new TypeError(`'${id}' is read before its end`);
      }
    }
    return bindings;
  });
}

/** When the execution began. Its first task may come before anybody has recorded that: then it does. */
async function startOf(task: Task): Promise<number> {
  if (task.state.startedAt === null) await recordIn(task, addStarted);
  return task.state.startedAt ?? task.deps.clock.now();
}

/** What was evaluated for a step's start, as far as this task has read; null: nothing is recorded. */
export function startedWith({ program, state }: Task, key: StepKey): Json {
  return stepAt(state, placeOf(indexOf(program), key)).config;
}

export type Begun =
  | Exclude<Entry, { kind: 'go' }>
  | { readonly kind: 'go'; readonly attempt: number; readonly config: Json };

/** Enters a step with its config, evaluated or found; one that cannot be evaluated fails the step (rule 15). */
export async function begin(
  task: Task,
  payload: { readonly step: StepKey; readonly records?: StepRunnerPayload['records'] },
  template: Template,
  bindings: Bindings,
): Promise<Begun> {
  const known = startedWith(task, payload.step);
  const config: Rendered =
    known === null ? await rendered(task, template, bindings) : { ok: true, value: known };
  const entry = await enter(task, payload, config.ok ? config.value : null);
  if (entry.kind !== 'go') return entry;
  // Under the lock it may have turned out that somebody had evaluated it before.
  const first = startedWith(task, payload.step);
  if (first !== null) return { ...entry, config: first };
  if (config.ok) return { ...entry, config: config.value };
  return failWith(task, payload.step, failures.expression(config.message), entry.attempt);
}

/** A template of the program, filled as the engine fills it. */
export async function rendered(
  { deps, header }: Task,
  template: Template,
  bindings: Bindings,
): Promise<Rendered> {
  const expressions = [...expressionsOf(template)];
  return render(template, await evaluateAll(deps.evaluator, header.tenant, expressions, bindings));
}

/** What may be evaluated once a step has its result. */
export function expressionsAfter(step: Step): Expression[] {
  return [
    ...('result' in step && step.result !== null ? [step.result] : []),
    ...(step.compensate === null ? [] : expressionsOf(step.compensate.config)),
  ];
}
