/**
 * What moves executions on the Step Functions runtime from outside: starts them, hands answers to
 * their tasks, and sees to it that every one of them ends.
 *
 *  V1 Everything to do is found in the store, so nothing is lost with this process, and a nudge
 *     (`look`) only makes it sooner.
 *  V2 Every action may be repeated: starts are named after the execution, answers are recorded once.
 *  V3 What the machine cannot do (cancel, a time limit, undoing after either) the engine does: the
 *     machine is stopped first, then the execution is handed over with its signals.
 *  V4 What Step Functions has no quota for waits, unless it was `auto` that chose it: that runs on the
 *     engine, and its log says why. The log decides, under its lock: a machine that another process got
 *     started meanwhile records nothing (T3 of task.ts).
 *  V5 One look at a time; a look takes at most `BATCH` of each kind and looks again when it was full.
 */
import { METRICS } from '#config/metrics.ts';
import { stepErrorCode } from '#core/errors.ts';
import { compensationState } from '#core/execution/ending.ts';
import { isFinal } from '#core/execution/events.ts';
import { errorMessage } from '#core/execution/failures.ts';
import { keyOf } from '#core/execution/program-index.ts';
import { walk } from '#core/execution/state.ts';
import type { Log, LogEvent, LogFields } from '#ports/log.ts';
import type { StateMachineStatus, StateMachines } from '#ports/state-machines.ts';
import type { PendingSignal, StepFunctionsWork } from '#ports/step-functions-work.ts';
import { add, addStarted } from './draft.ts';
import { RunsOnEngine } from './failure.ts';
import { openTask, type RunnerDeps, recordIn, type Task } from './task.ts';
import { answerTask } from './waiting.ts';

export interface DriverDeps {
  readonly runner: RunnerDeps;
  readonly machines: StateMachines;
  readonly work: StepFunctionsWork;
  readonly log: Log;
}

export interface StepFunctionsDriver {
  /** Looks for work now; a look that is under way looks once more. Never rejects. */
  look(): Promise<void>;
  /** Compares what runs with what has ended; for ends that no task reported. Never rejects. */
  reconcile(): Promise<void>;
  /** The same for one execution, of which somebody says that its machine has ended. */
  settle(executionId: string): Promise<void>;
}

const BATCH = 100;

export function createStepFunctionsDriver(deps: DriverDeps): StepFunctionsDriver {
  const { runner, machines, work, log } = deps;
  let looking: Promise<void> | null = null;
  let again = false;
  let letInAfter: string | null = null;

  async function guarded(
    what: LogEvent,
    act: () => Promise<void>,
    fields: LogFields = {},
  ): Promise<void> {
    try {
      await act();
    } catch (error) {
      // It is still in the store and is found by the next look.
      runner.metrics.add(METRICS.DriverFailures, { Reason: what });
      log.error(what, { ...fields, error });
    }
  }

  async function start(tenant: string, executionId: string): Promise<void> {
    const task = await openTask(runner, tenant, executionId);
    const { header } = task;
    // Somebody died between saying so and doing so.
    if (task.state.runtime === 'engine') return giveToEngine(tenant, executionId);
    const answer = await machines.start({
      tenant,
      mode: header.mode,
      executionId,
      workflowId: header.workflowId,
      version: header.version,
      programHash: header.programHash,
      continues: task.state.retryOf !== null,
      input: task.state.input,
      trace: task.state.trace,
    });
    if (answer.kind === 'quota') {
      if (await isAutomatic(tenant, executionId)) return fallBack(task, answer.message);
      runner.metrics.add(METRICS.MachineStartsDeferred, {});
      log.warn('MACHINE_WAITS_FOR_QUOTA', { tenant, execution_id: executionId });
      return;
    }
    try {
      await recordIn(task, addStarted);
    } catch (error) {
      if (!(error instanceof RunsOnEngine)) throw error;
      await giveToEngine(tenant, executionId);
    }
  }

  /** Whether nobody asked for this runtime: the first event says. */
  async function isAutomatic(tenant: string, executionId: string): Promise<boolean> {
    const loaded = await runner.executions.loadExecution(tenant, executionId, true);
    const first = loaded?.tail[0]?.event;
    return first?.type === 'execution_created' && first.choice?.asked === 'auto';
  }

  async function fallBack(task: Task, why: string): Promise<void> {
    const { tenant, id } = task.header;
    // A start whose answer was lost is told of here: then it runs where it was meant to.
    if ((await machines.describe(tenant, id)) !== null) {
      await recordIn(task, addStarted);
      return;
    }
    const changed = await recordIn(task, (draft) => {
      if (draft.state.status !== 'PENDING') return false;
      const reason = `Step Functions has no room for it: ${errorMessage(why)}`;
      add(draft, { type: 'runtime_changed', runtime: 'engine', reason });
      return true;
    });
    if (!changed) return;
    runner.metrics.add(METRICS.MachineStartsFellBack, {});
    log.warn('MACHINE_FELL_BACK', { tenant, execution_id: id });
    await giveToEngine(tenant, id);
  }

  async function giveToEngine(tenant: string, executionId: string): Promise<void> {
    runner.known.forget(tenant, executionId);
    await machines.stop(tenant, executionId, {
      error: stepErrorCode('Cancelled'),
      cause: 'it runs on the engine',
    });
    await work.fallBack(tenant, executionId, runner.clock.now());
  }

  async function deliver(pending: PendingSignal): Promise<void> {
    const { tenant, executionId, signal } = pending;
    switch (signal.kind) {
      case 'cancel':
        await machines.stop(tenant, executionId, {
          error: stepErrorCode('Cancelled'),
          cause: signal.reason ?? 'cancelled',
        });
        await work.handToEngine(tenant, executionId, runner.clock.now());
        return;
      case 'pause':
      case 'resume':
        // The API refuses these for this runtime; one that came past it has no effect.
        await work.consumed(pending);
        return;
      default:
        await answerTask(runner, machines, tenant, executionId, signal);
        await work.consumed(pending);
    }
  }

  async function letIn(): Promise<void> {
    letInAfter = (await work.letIn(letInAfter, runner.clock.now())).after;
  }

  async function lookOnce(): Promise<void> {
    await guarded('STARTS_NOT_LET_IN', letIn);
    for (let full = true; full; ) {
      const pending = await work.open('PENDING', null, BATCH);
      await Promise.all(
        pending.map(({ tenant, executionId }) =>
          guarded('MACHINE_NOT_STARTED', () => start(tenant, executionId), {
            tenant,
            execution_id: executionId,
          }),
        ),
      );
      const signals = await work.signals(BATCH);
      // In order within an execution, side by side across them.
      const byExecution = Map.groupBy(signals, ({ executionId }) => executionId);
      await Promise.all(
        [...byExecution.values()].map((own) =>
          guarded('SIGNAL_NOT_DELIVERED', async () => {
            for (const signal of own) await deliver(signal);
          }),
        ),
      );
      // A full batch that nothing came of would be read again at once, for ever.
      full = signals.length === BATCH && (await work.signals(1))[0]?.id !== signals[0]?.id;
    }
  }

  async function settleEnded(tenant: string, executionId: string): Promise<void> {
    const status = await machines.describe(tenant, executionId);
    if (status === null) {
      // It was recorded as begun, and the machine is not there: a start that got lost on its way.
      await start(tenant, executionId);
      return;
    }
    if (status.status === 'RUNNING') return;
    if (status.status === 'TIMED_OUT') {
      await work.handToEngine(tenant, executionId, runner.clock.now());
      return;
    }
    if (status.status === 'ABORTED') {
      await runner.executions.signal(
        tenant,
        executionId,
        {
          kind: 'cancel',
          by: null,
          compensate: null,
          reason: status.cause,
        },
        runner.clock.now(),
      );
      await work.handToEngine(tenant, executionId, runner.clock.now());
      return;
    }
    await recordLostEnd(tenant, executionId, status);
  }

  /** A machine that ended without its report: a limit of Step Functions, or a fault of ours. */
  async function recordLostEnd(
    tenant: string,
    executionId: string,
    status: StateMachineStatus,
  ): Promise<void> {
    const task = await openTask(runner, tenant, executionId);
    await recordIn(task, (draft) => {
      if (isFinal(draft.state.status)) return;
      addStarted(draft);
      const lost = {
        code: stepErrorCode(
          status.error === 'States.DataLimitExceeded' ? 'QuotaExceeded' : 'Internal',
        ),
        message: `the state machine ended without its report: ${status.error ?? status.status}`,
      };
      for (const { place, step } of walk(draft.index, draft.state, true)) {
        const key = keyOf(place);
        if (step.status === 'QUEUED') {
          add(draft, { type: 'step_skipped', step: key, class: 'K', reason: 'CANCELLED' });
        } else {
          add(draft, { type: 'step_failed', step: key, error: lost, attempts: step.attempts });
        }
      }
      add(draft, {
        type: 'execution_failed',
        error: lost,
        compensation: compensationState(draft.state),
      });
    });
    runner.metrics.add(METRICS.MachinesUnreported, {});
    log.error('MACHINE_ENDED_UNREPORTED', {
      tenant,
      execution_id: executionId,
      ...(status.error === null ? {} : { reason: status.error }),
    });
  }

  return {
    look() {
      if (looking !== null) {
        again = true;
        return looking;
      }
      looking = (async () => {
        do {
          again = false;
          await guarded('DRIVER_LOOK_FAILED', lookOnce);
        } while (again);
      })().finally(() => {
        looking = null;
      });
      return looking;
    },
    async settle(executionId) {
      const found = await work.find(executionId);
      if (found?.open === true) await settleEnded(found.tenant, executionId);
    },
    async reconcile() {
      await guarded('DRIVER_RECONCILE_FAILED', async () => {
        for (let after: string | null = null; ; ) {
          const running = await work.open('RUNNING', after, BATCH);
          await Promise.all(
            running.map(({ tenant, executionId }) =>
              guarded('END_NOT_SETTLED', () => settleEnded(tenant, executionId), {
                tenant,
                execution_id: executionId,
              }),
            ),
          );
          const last = running.at(-1);
          if (last === undefined || running.length < BATCH) return;
          after = last.executionId;
        }
      });
    },
  };
}
