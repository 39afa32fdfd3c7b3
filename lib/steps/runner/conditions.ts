import type { PayloadOf, TestResult } from '#core/asl/payload.ts';
import { HALTED } from '#core/asl/payload.ts';
import type { StepError } from '#core/errors.ts';
import { chooseArm } from '#core/execution/branch.ts';
import { type Condition, tested, type Values } from '#core/execution/evaluation.ts';
import { goesOn } from '#core/execution/loop.ts';
import { isTerminal, type StepState } from '#core/execution/state.ts';
import type { Json } from '#core/json.ts';
import type { Expression, Step } from '#core/plan/program.ts';
import { evaluateAll } from '../shape-result.ts';
import { add, addRecords, addStarted, stepOf } from './draft.ts';
import { bindingsFor } from './evaluating.ts';
import { RunnerFailure } from './failure.ts';
import { enter, failWith, planStep, recordIn, settle, type Task } from './task.ts';

/** Conditions that the machine cannot evaluate: what they say decides where it goes on (rules 9, 21, 22). */
export async function test(task: Task, payload: PayloadOf<'test'>): Promise<Json> {
  const step = planStep(task, payload.step);
  const { deps, header } = task;
  const conditions = conditionsOf(step, payload.of);
  const bindings = await bindingsFor(task, payload, conditions);
  const values = await evaluateAll(deps.evaluator, header.tenant, conditions, bindings);
  const value =
    payload.of === 'when'
      ? await admission(task, payload, step, values)
      : await direction(task, payload, step, values);
  return { value } satisfies TestResult;
}

function conditionsOf(step: Step, of: PayloadOf<'test'>['of']): readonly Expression[] {
  if (of === 'when' && step.when !== null) return [step.when];
  if (of === 'cases' && step.type === 'branch') return step.cases.map(({ when }) => when);
  if (of === 'loop' && step.type === 'loop') return [step.test];
  throw new TypeError(`${step.path} has nothing to test for '${of}'`);
}

/** Whether a step starts. If its condition cannot be evaluated it has failed, without an attempt. */
async function admission(
  task: Task,
  payload: PayloadOf<'test'>,
  { when }: Step,
  values: Values,
): Promise<Condition> {
  if (when === null) throw new TypeError(`${payload.step} has no condition`);
  const test = tested(values(when));
  const found = await recordIn(task, (draft): Condition | StepError | 'halted' => {
    addStarted(draft);
    addRecords(draft, payload.records);
    const { step } = stepOf(draft, payload.step);
    if (isTerminal(step)) return recordedAdmission(step);
    if (draft.state.halted && step.status === 'QUEUED') return 'halted';
    if (test.ok) return test.is;
    const { error } = test;
    add(draft, { type: 'step_failed', step: payload.step, error, attempts: 0 });
    return error;
  });
  if (found === 'halted') {
    const error = new Error('a step has failed and the workflow halts');
    error.name = HALTED;
    throw error;
  }
  if (typeof found === 'object') throw new RunnerFailure(found, 0);
  return found;
}

/** What is recorded stands: the step's own task answers with it. */
function recordedAdmission({ status, reason, error, attempts }: StepState): Condition | StepError {
  if (status === 'SKIPPED') return reason === 'CONDITION_FALSE' ? 'false' : 'other';
  return status === 'FAILED' && attempts === 0 && error !== null ? error : 'true';
}

/** Where a container that has started goes on: the arm of a branch, or whether a loop does. */
async function direction(
  task: Task,
  payload: PayloadOf<'test'>,
  step: Step,
  values: Values,
): Promise<string> {
  const way = step.type === 'branch' ? chooseArm(step, values) : loopsOn(step, values);
  const config = way.ok && 'arm' in way ? { case: way.arm } : null;
  const entry = await enter(task, payload, config);
  if (entry.kind === 'failed') settle(entry);
  if (!way.ok) return failWith(task, payload.step, way.error, 1);
  return 'arm' in way ? (way.arm ?? 'none') : way.on;
}

function loopsOn(
  step: Step,
  values: Values,
):
  | { readonly ok: true; readonly on: 'on' | 'off' }
  | { readonly ok: false; readonly error: StepError } {
  if (step.type !== 'loop') throw new TypeError(`${step.path} is no loop`);
  const test = tested(values(step.test));
  if (!test.ok) return test;
  return { ok: true, on: goesOn(step, test.is) ? 'on' : 'off' };
}
