import type { Step, StepOf, StepType } from '#core/plan/program.ts';
import { askCarried } from './carried.ts';
import { emitApproval } from './emit-approval.ts';
import { emitBranch } from './emit-branch.ts';
import { emitCallback } from './emit-callback.ts';
import { emitConnector } from './emit-connector.ts';
import { emitFail } from './emit-fail.ts';
import { emitForEach } from './emit-for-each.ts';
import { emitGroup } from './emit-group.ts';
import { emitLoop } from './emit-loop.ts';
import { emitSubWorkflow } from './emit-sub-workflow.ts';
import { emitTransform } from './emit-transform.ts';
import { emitWait } from './emit-wait.ts';
import { enter } from './gate.ts';
import type { Exit, Place, Writing } from './writing.ts';

/** Writes the states of one step from where it runs; answers with all ways out of it. */
export type Emitter<T extends StepType> = (
  writing: Writing,
  place: Place,
  step: StepOf<T>,
  incoming: readonly Exit[],
) => Exit[];

/** A step type without an emitter does not compile. */
const EMITTERS: { readonly [T in StepType]: Emitter<T> } = {
  http_request: emitConnector,
  database_operation: emitConnector,
  notification: emitConnector,
  platform_operation: emitConnector,
  transform: emitTransform,
  wait: emitWait,
  approval: emitApproval,
  callback: emitCallback,
  sub_workflow: emitSubWorkflow,
  for_each: emitForEach,
  branch: emitBranch,
  loop: emitLoop,
  group: emitGroup,
  fail: emitFail,
};

/** The step with its gate, and what is asked before it. */
export function emitStep(
  writing: Writing,
  place: Place,
  step: Step,
  incoming: readonly Exit[],
): Exit[] {
  const asked = writing.continues
    ? askCarried(writing, place, step, incoming)
    : { fresh: incoming, done: [] };
  const { run, done } = enter(writing, place, step, asked.fresh);
  if (run.length === 0) return [...asked.done, ...done];
  // TypeScript cannot see that the emitter found by `type` takes steps of that type.
  const emit = EMITTERS[step.type] as Emitter<StepType>;
  return [...asked.done, ...done, ...emit(writing, place, step, run)];
}
