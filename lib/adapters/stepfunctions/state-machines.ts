/**
 * Step Functions itself, behind the `StateMachines` port.
 *
 *  M1 an execution is named after its id and its machine after its program (machines.ts), so stop,
 *     describe and history find it from what the database says of it.
 *  M2 what is not there, or not there any more, is an answer; what the service refuses for want of
 *     quota is `quota`, and the work stays in the store for the next look.
 */
import {
  DescribeExecutionCommand,
  type DescribeExecutionCommandOutput,
  ExecutionAlreadyExists,
  ExecutionDoesNotExist,
  ExecutionLimitExceeded,
  GetExecutionHistoryCommand,
  ServiceQuotaExceededException,
  type SFNClient,
  StartExecutionCommand,
  StateMachineDeleting,
  StateMachineDoesNotExist,
  StateMachineLimitExceeded,
  StopExecutionCommand,
} from '@aws-sdk/client-sfn';
import type { Json } from '#core/json.ts';
import type { Programs } from '#ports/programs.ts';
import type {
  StartStateMachine,
  StartStateMachineAnswer,
  StateMachineStatus,
  StateMachines,
} from '#ports/state-machines.ts';
import {
  createMachineNames,
  createMachines,
  type MachineKey,
  type MachineSettings,
} from './machines.ts';
import { clipped, createTaskAnswers } from './task-answers.ts';

export function createAwsStateMachines(deps: {
  readonly client: SFNClient;
  readonly programs: Programs;
  /** Null: nobody accepted such an execution. */
  readonly machineOf: (tenant: string, executionId: string) => Promise<MachineKey | null>;
  readonly settings: MachineSettings;
}): StateMachines {
  const { client, settings } = deps;
  const names = createMachineNames(settings);
  const machines = createMachines({ client, programs: deps.programs, names, settings });

  async function arnOf(tenant: string, executionId: string): Promise<string | null> {
    const key = await deps.machineOf(tenant, executionId);
    return key === null ? null : names.executionArn(key, executionId);
  }

  async function startOnce(request: StartStateMachine): Promise<void> {
    await client.send(
      new StartExecutionCommand({
        stateMachineArn: await machines.ensure(request),
        name: request.executionId,
        input: JSON.stringify(request.input),
        ...(request.trace === null ? {} : { traceHeader: request.trace }),
      }),
    );
  }

  return {
    async start(request): Promise<StartStateMachineAnswer> {
      try {
        try {
          await startOnce(request);
        } catch (error) {
          if (!(error instanceof StateMachineDoesNotExist)) throw error;
          // Collected since we last started it.
          machines.forget(request);
          await startOnce(request);
        }
        return { kind: 'started' };
      } catch (error) {
        if (error instanceof ExecutionAlreadyExists) return { kind: 'exists' };
        const message = quotaWords(error);
        if (message === null) throw error;
        return { kind: 'quota', message };
      }
    },

    async stop(tenant, executionId, reason) {
      const executionArn = await arnOf(tenant, executionId);
      if (executionArn === null) return;
      await orNull(
        ExecutionDoesNotExist,
        client.send(new StopExecutionCommand({ executionArn, ...clipped(reason) })),
      );
    },

    async describe(tenant, executionId) {
      const executionArn = await arnOf(tenant, executionId);
      if (executionArn === null) return null;
      const found = await orNull(
        ExecutionDoesNotExist,
        client.send(new DescribeExecutionCommand({ executionArn })),
      );
      return found === null ? null : statusOf(found);
    },

    ...createTaskAnswers(client),

    async history(tenant, executionId, page) {
      const executionArn = await arnOf(tenant, executionId);
      if (executionArn === null) return { events: [], next: null };
      const found = await orNull(
        ExecutionDoesNotExist,
        client.send(
          new GetExecutionHistoryCommand({
            executionArn,
            maxResults: page.limit,
            includeExecutionData: true,
            ...(page.after === null ? {} : { nextToken: page.after }),
          }),
        ),
      );
      // Times become text, as everywhere in JSON.
      const events = JSON.parse(JSON.stringify(found?.events ?? [])) as readonly Json[];
      return { events, next: found?.nextToken ?? null };
    },
  };
}

/** Which quota it is; null: none. Our words, for tenants read them, and AWS's name machines and accounts. */
function quotaWords(error: unknown): string | null {
  if (error instanceof ExecutionLimitExceeded) return 'too many executions run at a time';
  if (error instanceof StateMachineLimitExceeded) return 'the account has too many state machines';
  if (error instanceof StateMachineDeleting) return 'its state machine is just being deleted';
  if (error instanceof ServiceQuotaExceededException) return 'a quota of the account is used up';
  const throttled = error instanceof Error && error.name === 'ThrottlingException';
  return throttled ? 'too many calls at a time' : null;
}

async function orNull<T>(
  gone: abstract new (...args: never) => Error,
  asked: Promise<T>,
): Promise<T | null> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof gone) return null;
    throw error;
  }
}

function statusOf(found: DescribeExecutionCommandOutput): StateMachineStatus {
  const { status, startDate, stopDate, output, error, cause } = found;
  return {
    // Nobody redrives our executions but an operator; one that is about to be goes on.
    status: status === undefined || status === 'PENDING_REDRIVE' ? 'RUNNING' : status,
    startedAt: startDate?.getTime() ?? 0,
    stoppedAt: stopDate?.getTime() ?? null,
    output: output === undefined ? null : (JSON.parse(output) as Json),
    error: error ?? null,
    cause: cause ?? null,
  };
}
