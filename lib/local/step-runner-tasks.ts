import { RUNNER_UNAVAILABLE, type StepRunnerPayload } from '#core/asl/payload.ts';
import type { Json } from '#core/json.ts';
import type { ExecutionRecorder } from '#ports/execution-store.ts';
import type { Log } from '#ports/log.ts';
import { unavailable } from '#steps/runner/failure.ts';
import { runTask } from '#steps/runner/run-task.ts';
import type { RunnerDeps } from '#steps/runner/task.ts';
import type { TaskOutcome } from './asl/outside.ts';
import type { Tasks } from './asl/runtime-types.ts';
import { LOCAL_STEP_RUNNER } from './state-machines.ts';

/** As long as the engine drains. */
const DRAIN_MS = 10_000;
/** Between tries of a task for which a part of ours was away. */
const REPEAT_MS = [100, 300, 1_000, 3_000];
/** For how long it is tried here. */
const PATIENCE_MS = 60_000;

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
 *  T2 trouble of the platform passes in real time. Where business time is the machine's own and stands
 *     still until somebody moves it, the machine's pauses for such trouble would never end, and nothing
 *     would say that it pauses: so there a task is repeated here.
 */
export function createStepRunnerTasks(
  deps: RunnerDeps,
  log: Log,
  options: { readonly timeStandsStill: boolean } = { timeStandsStill: false },
): StepRunnerTasks {
  const { clock } = deps;
  const running = new Set<Promise<TaskOutcome>>();
  let closing = false;
  let closed = false;
  const recorder: ExecutionRecorder = {
    record: (...request) =>
      closed
        ? Promise.reject(unavailable(new Error('the step runner is closed')))
        : deps.recorder.record(...request),
  };
  const own = Object.create(deps, { recorder: { value: recorder } }) as RunnerDeps;

  async function invoke(tenant: string, payload: StepRunnerPayload): Promise<TaskOutcome> {
    const until = clock.monotonic() + (options.timeStandsStill ? PATIENCE_MS : 0);
    for (let tries = 0; ; tries++) {
      const outcome = await once(tenant, payload);
      const passes = !outcome.ok && outcome.error === RUNNER_UNAVAILABLE && !closing;
      if (!passes || clock.monotonic() >= until) return outcome;
      const pause = REPEAT_MS[Math.min(tries, REPEAT_MS.length - 1)] as number;
      await new Promise<void>((resolve) => clock.after(pause, resolve));
    }
  }

  async function once(tenant: string, payload: StepRunnerPayload): Promise<TaskOutcome> {
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
      closing = true;
      let late: { cancel(): void } | null = null;
      const deadline = new Promise<void>((resolve) => {
        late = clock.after(DRAIN_MS, resolve);
      });
      await Promise.race([Promise.all(running), deadline]);
      (late as { cancel(): void } | null)?.cancel();
      closed = true;
    },
  };
}
