import { readEnv } from '#config/env.ts';
import { METRICS } from '#config/metrics.ts';
import type { StepRunnerPayload } from '#core/asl/payload.ts';
import type { Json } from '#core/json.ts';
import { unavailable } from '#steps/runner/failure.ts';
import { runTask } from '#steps/runner/run-task.ts';
import { invoked } from '../shared/invoked.ts';
import { createBasics } from '../shared/process.ts';
import { connectSteps } from '../shared/steps.ts';

const env = readEnv('step-runner', process.env);
const connections = { app: 2, engine: 2 };
const basics = createBasics('step-runner', env);
const steps = connectSteps(basics, env, { evaluators: 1, connections });

/** One Task of a compiled machine. Rejects with the step's error by name, as the machine catches it. */
async function run(payload: StepRunnerPayload): Promise<Json> {
  // A machine knows its execution and not whose it is; only our own machines may invoke this.
  const found = await steps.work.find(payload.execution).catch((error: unknown) => {
    basics.metrics.add(METRICS.TasksNotRun, {});
    throw unavailable(error);
  });
  if (found === null) throw new TypeError(`no execution ${payload.execution} on Step Functions`);
  return runTask(steps.runner, found.tenant, payload);
}

export const handler = invoked(basics, run, () => steps.settled());
