import type { CarriedAnswer, PayloadOf, VisibleRecord } from '#core/asl/payload.ts';
import { stepRecord } from '#core/execution/bindings.ts';
import { isTerminal } from '#core/execution/state.ts';
import type { Json } from '#core/json.ts';
import { addRecords, addStarted, stepOf } from './draft.ts';
import { recordIn, type Task } from './task.ts';

/** What an earlier execution left of a step, which then neither starts nor is skipped again. */
export async function carried(task: Task, payload: PayloadOf<'carried'>): Promise<Json> {
  const answer = await recordIn(task, (draft): CarriedAnswer => {
    addStarted(draft);
    addRecords(draft, payload.records);
    const { step } = stepOf(draft, payload.step);
    if (!isTerminal(step) || step.class === null) return { record: {} };
    return { record: { k: step.class, v: stepRecord(step) as unknown as VisibleRecord } };
  });
  return answer as unknown as Json;
}
