import { createOutboundGate } from '#adapters/breaker/outbound-gate.ts';
import { createCallbackTokens } from '#adapters/local/callback-tokens.ts';
import { createRealDeadlines } from '#adapters/local/real-deadlines.ts';
import { type PlatformWorkflow, platformWorkflowsIn } from '#config/platform-workflows.ts';
import type { StepRunnerPayload } from '#core/asl/payload.ts';
import { isJsonObject, type Json } from '#core/json.ts';
import type { Program } from '#core/plan/program.ts';
import type { Evaluator } from '#ports/evaluator.ts';
import type { Ids } from '#ports/ids.ts';
import type { Log } from '#ports/log.ts';
import type { Metrics } from '#ports/metrics.ts';
import type { StateMachines } from '#ports/state-machines.ts';
import { createPlatformOperations } from '#services/operations/catalog.ts';
import type { Catalog, World } from '#services/operations/operation.ts';
import { createOperationRecords, PLATFORM } from '#services/operations/records.ts';
import { platformProgram } from '#statemachines/platform.ts';
import { unavailable } from '#steps/runner/failure.ts';
import { createKnownExecutions } from '#steps/runner/known.ts';
import { runTask } from '#steps/runner/run-task.ts';
import type { RunnerDeps } from '#steps/runner/task.ts';
import { answerTask } from '#steps/runner/waiting.ts';
import { ABSENT, ALONE } from './absent.ts';

/** What a person sends who was asked: whoever may invoke the function may answer. */
export interface ApprovalEvent {
  readonly kind: 'answer';
  readonly execution: string;
  readonly step: string;
  readonly decision: 'approved' | 'rejected';
  /** Who says so; who really was is in the trail of invocations. */
  readonly by: string;
  readonly comment?: string | null;
}

export interface OperationsDeps<W extends World> {
  /** Which workflows run here. */
  readonly runsIn: PlatformWorkflow['runsIn'];
  readonly catalog: Catalog<W>;
  readonly world: W;
  readonly answers: Pick<
    StateMachines,
    'sendTaskSuccess' | 'sendTaskFailure' | 'sendTaskHeartbeat'
  >;
  readonly evaluator: Evaluator;
  readonly ids: Ids;
  readonly log: Log;
  readonly metrics: Metrics;
}

/**
 * Does the tasks of the platform's machines, through the very runner that tenants' machines have; only
 * its log is a document, and only here are there operations of the platform.
 */
export function createOperations<W extends World>(
  deps: OperationsDeps<W>,
): (event: StepRunnerPayload | ApprovalEvent) => Promise<Json> {
  const { world, answers, evaluator, ids, log, metrics } = deps;
  const { clock, documents, announcements } = world;
  // All at the start: a definition that is wrong must not be found by who needs it.
  const programs = new Map<string, Program>(
    platformWorkflowsIn(deps.runsIn).map((name) => [name, platformProgram(name)]),
  );
  const records = createOperationRecords({
    documents,
    clock,
    programOf: (workflowId) => programs.get(workflowId) ?? null,
  });
  const runner: RunnerDeps = {
    ...ABSENT,
    clock,
    ids,
    log,
    metrics,
    evaluator,
    executions: { ...ALONE, loadExecution: records.loadExecution },
    recorder: records.recorder,
    known: createKnownExecutions(),
    programs: records.programs,
    tokens: records.tokens,
    callbackTokens: createCallbackTokens(),
    deadlines: createRealDeadlines(),
    gate: createOutboundGate(clock),
    platform: createPlatformOperations(deps.catalog, world, records.isApproved),
    operating: {
      async requestApproval({ executionId, workflowId, step, message, dueAt }) {
        const { stage, region } = world.facts;
        await announcements.say(
          `CloudFlow ${stage}: ${workflowId} waits for an approval`,
          [
            message ?? workflowId,
            '',
            `npx cloudflow recovery approve ${executionId} --step ${step} --stage ${stage} --region ${region} --by YOU`,
            `until ${new Date(dueAt).toISOString()}; --reject ends it`,
          ].join('\n'),
        );
      },
      // Its token is void; an answer that comes later finds that nothing waits.
      closeApproval: () => Promise.resolve(),
      openCallback: () =>
        Promise.reject(new TypeError('workflows of the platform call nobody back')),
    },
  };

  async function answer(event: ApprovalEvent): Promise<Json> {
    const { execution, step, decision, by, comment = null } = event;
    if (decision !== 'approved' && decision !== 'rejected') {
      throw new TypeError("the decision is 'approved' or 'rejected'");
    }
    if (typeof by !== 'string' || by === '') throw new TypeError('say who decides: by');
    if ((await records.tokens.find(PLATFORM, execution, step)) === null) {
      throw new TypeError(`nothing waits at ${step} of ${execution}`);
    }
    const delivered = await answerTask(runner, answers, PLATFORM, execution, {
      kind: 'approval_answered',
      step,
      decision,
      by,
      comment,
      at: clock.now(),
    });
    return { delivered: delivered === 'delivered' };
  }

  return async (event) => {
    if (event.kind === 'answer') return answer(event);
    const { origin, execution } = event;
    if (origin === undefined) throw new TypeError('that is no task of a machine of the platform');
    await records.begin(execution, origin).catch((error: unknown) => {
      throw error instanceof Error && error.name === 'CloudFlowError' ? error : unavailable(error);
    });
    const result = await runTask(runner, PLATFORM, event);
    // It was answered while the task was being tried again: the machine waits for the new token.
    if (event.kind === 'approval' && isJsonObject(result) && 'output' in result) {
      await answers.sendTaskSuccess(event.token, result);
    }
    return result;
  };
}
