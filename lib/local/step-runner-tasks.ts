import { RUNNER_UNAVAILABLE, type StepRunnerPayload } from '#core/asl/payload.ts';
import type { Json } from '#core/json.ts';
import type { ExecutionRecorder } from '#ports/execution-store.ts';
import type { Log } from '#ports/log.ts';
import { runTask } from '#steps/runner/run-task.ts';
import type { RunnerDeps } from '#steps/runner/task.ts';
import type { TaskOutcome } from './asl/outside.ts';
import type { Tasks } from './asl/runtime-types.ts';
import { LOCAL_STEP_RUNNER } from './state-machines.ts';

/** As long as the engine drains. */
const DRAIN_MS = 10_000;

export interface StepRunnerTasks extends Tasks {
  /** What is under way. */
  readonly running: number;
  /** Resolves when all that is under way now has ended. */
  idle(): Promise<void>;
  /** Waits a while for what is under way; what has not ended by then leaves no record any more. */
  close(): Promise<void>;
}

/**
 * What a Task of a machine invokes on a laptop: the step runner, as the deployed function would run
 * it. An error travels as Lambda's: its name is the error, its cause JSON of name and message.
 *
 *  T1 what this process cuts off when it ends is never recorded as an answer of the outside: the next
 *     start makes the same attempt again.
 */
export function createStepRunnerTasks(deps: RunnerDeps, log: Log): StepRunnerTasks {
  const running = new Set<Promise<TaskOutcome>>();
  let closed = false;
  const recorder: ExecutionRecorder = {
    record: (...request) =>
      closed
        ? Promise.reject(new Error('the step runner is closed'))
        : deps.recorder.record(...request),
  };
  const own = Object.create(deps, { recorder: { value: recorder } }) as RunnerDeps;

  async function invoke(tenant: string, payload: StepRunnerPayload): Promise<TaskOutcome> {
    try {
      return { ok: true, payload: (await runTask(own, tenant, payload)) as Json };
    } catch (error) {
      const { name, message, cause: reason } = error as Error;
      if (name === RUNNER_UNAVAILABLE && !closed) {
        // The machine repeats the task and says nothing of why.
        log.warn('TASK_NOT_RUN', {
          tenant,
          execution_id: payload.execution,
          kind: payload.kind,
          error: reason,
        });
      }
      const cause = JSON.stringify({ errorType: name, errorMessage: message });
      return { ok: false, error: name, cause };
    }
  }

  return {
    async invokeLambda({ tenant, functionName, payload }) {
      if (functionName !== LOCAL_STEP_RUNNER) {
        const cause = `there is no function '${functionName}' here`;
        return { ok: false, error: 'Lambda.ResourceNotFoundException', cause };
      }
      // Machines are compiled here, so what they send has the shape of the contract.
      const result = invoke(tenant, payload as unknown as StepRunnerPayload);
      running.add(result);
      try {
        return await result;
      } finally {
        running.delete(result);
      }
    },
    get running() {
      return running.size;
    },
    async idle() {
      await Promise.all(running);
    },
    async close() {
      let late: { cancel(): void } | null = null;
      const deadline = new Promise<void>((resolve) => {
        late = deps.clock.after(DRAIN_MS, resolve);
      });
      await Promise.race([Promise.all(running), deadline]);
      (late as { cancel(): void } | null)?.cancel();
      closed = true;
    },
  };
}
