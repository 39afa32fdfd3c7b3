/**
 * The step runner of the Step Functions runtime: what every Task of a compiled machine invokes.
 *
 * Owns: recording what a machine does, doing the work of its steps through the same code as the
 * engine, and answering with what the machine needs to go on. The machine owns order and retries;
 * the recorder owns sequence numbers.
 *
 *  R1 A result that is recorded is answered again; its work is not done again (contract 3).
 *  R2 Work begins only after `step_started` or `attempt_started` is durable, and its result is durable
 *     before the machine hears of it.
 *  R3 Attempts are counted here, from the log: repetitions of Lambda and of the machine's
 *     infrastructure retrier are not attempts (rule 18).
 *  R4 What goes wrong in a part of ours is thrown as RUNNER_UNAVAILABLE and is nobody's failure.
 */
import { METRICS } from '#config/metrics.ts';
import {
  HALTED,
  type PayloadOf,
  type StepRunnerKind,
  type StepRunnerPayload,
} from '#core/asl/payload.ts';
import type { Json } from '#core/json.ts';
import { carried } from './carried.ts';
import { test } from './conditions.ts';
import { compensate, ledger, report } from './ending.ts';
import { RunnerFailure, unavailable } from './failure.ts';
import { openTask, type RunnerDeps, type Task } from './task.ts';
import { approval, callback, child } from './waiting.ts';
import { call, container, fail, items, record, timer, transform } from './work.ts';

type Run<K extends StepRunnerKind> = (task: Task, payload: PayloadOf<K>) => Promise<Json>;

const RUN: { readonly [K in StepRunnerKind]: Run<K> } = {
  carried,
  call,
  test,
  transform,
  timer,
  fail,
  items,
  container,
  record,
  approval,
  callback,
  child,
  ledger,
  compensate,
  report,
};

/** Performs one task. Throws `RunnerFailure` for a step that fails, see the contract in core/asl. */
export async function runTask(
  deps: RunnerDeps,
  tenant: string,
  payload: StepRunnerPayload,
): Promise<Json> {
  try {
    logPlatformErrors(deps, tenant, payload);
    const task = await openTask(deps, tenant, payload.execution);
    return await (RUN[payload.kind] as Run<StepRunnerKind>)(task, payload);
  } catch (error) {
    if (error instanceof Error && (error instanceof RunnerFailure || error.name === HALTED))
      throw error;
    deps.metrics.add(METRICS.TasksNotRun, {});
    throw unavailable(error);
  }
}

/** No expression and no report sees what a platform says of itself (contract 7): the log has it. */
function logPlatformErrors(
  { log }: RunnerDeps,
  tenant: string,
  { execution, records }: StepRunnerPayload,
): void {
  for (const { record } of records ?? []) {
    if (record?.platform === undefined) continue;
    log.warn('TASK_FAILED_OUTSIDE', { tenant, execution_id: execution, code: record.platform });
  }
}
