import type { StepRunnerPayload } from '#core/asl/payload.ts';
import type { Json } from '#core/json.ts';
import { runTask } from '#steps/runner/run-task.ts';
import type { RunnerDeps } from '#steps/runner/task.ts';
import type { Tasks } from './asl/runtime-types.ts';
import { LOCAL_STEP_RUNNER } from './state-machines.ts';

/**
 * What a Task of a machine invokes on a laptop: the step runner, as the deployed function would run
 * it. An error travels as Lambda's: its name is the error, its cause JSON of name and message.
 */
export function createStepRunnerTasks(deps: RunnerDeps): Tasks {
  return {
    async invokeLambda({ tenant, functionName, payload }) {
      if (functionName !== LOCAL_STEP_RUNNER) {
        const cause = `there is no function '${functionName}' here`;
        return { ok: false, error: 'Lambda.ResourceNotFoundException', cause };
      }
      try {
        // Machines are compiled here, so what they send has the shape of the contract.
        const result = await runTask(deps, tenant, payload as unknown as StepRunnerPayload);
        return { ok: true, payload: result as Json };
      } catch (error) {
        const { name, message } = error as Error;
        const cause = JSON.stringify({ errorType: name, errorMessage: message });
        return { ok: false, error: name, cause };
      }
    },
  };
}
