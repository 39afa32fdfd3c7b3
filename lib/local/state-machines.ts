/**
 * Step Functions on a laptop: the `StateMachines` port over the interpreter of the States Language.
 *
 *  M1 An ARN names tenant and execution, and an execution is pinned to its program, so what an ARN
 *     means never changes.
 *  M2 An execution is named after its id, so a repeated start finds the first.
 */
import { LRUCache } from 'lru-cache';
import { compileMachine } from '#core/asl/compile.ts';
import type { Json, JsonObject } from '#core/json.ts';
import type { ExecutionAccess } from '#ports/execution-store.ts';
import type { Programs } from '#ports/programs.ts';
import type { StateMachines } from '#ports/state-machines.ts';
import { executionArnOf, localMachineArn, machineNameOf } from './asl/arns.ts';
import type {
  Definitions,
  ExecutionDescription,
  StateMachineRuntime,
  TokenResult,
} from './asl/runtime.ts';

/** Name of the one function that machines invoke here. */
export const LOCAL_STEP_RUNNER = 'cloudflow-step-runner';

const COMPILED_MACHINES = 500;

function machineArn(tenant: string, executionId: string): string {
  return localMachineArn(`${tenant.replaceAll('-', '')}-${executionId.replaceAll('-', '')}`);
}

function executionArn(tenant: string, executionId: string): string {
  return executionArnOf(machineArn(tenant, executionId), executionId);
}

/** Tenant and execution of a machine's ARN; null for an ARN that is not of this runtime. */
function ownerOf(stateMachineArn: string): { tenant: string; executionId: string } | null {
  const name = machineNameOf(stateMachineArn);
  if (!/^[0-9a-f]{32}-[0-9a-f]{32}$/.test(name)) return null;
  const uuid = (hex: string) => hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  return { tenant: uuid(name.slice(0, 32)), executionId: uuid(name.slice(33)) };
}

/** Compiles the machine of an execution's program, once per program; once more for retries of it. */
export function createLocalDefinitions(deps: {
  readonly executions: Pick<ExecutionAccess, 'getExecution'>;
  readonly programs: Programs;
}): Definitions {
  const compiled = new LRUCache<string, JsonObject>({ max: COMPILED_MACHINES });
  return {
    async load(stateMachineArn) {
      const owner = ownerOf(stateMachineArn);
      if (owner === null) return null;
      const execution = await deps.executions.getExecution(owner.tenant, owner.executionId);
      if (execution === null) return null;
      const { programHash, retryOf } = execution;
      const continues = retryOf !== null;
      const name = `${programHash} ${continues}`;
      const known = compiled.get(name);
      if (known !== undefined) return known;
      const program = await deps.programs.find(owner.tenant, programHash);
      if (program === null) return null;
      const result = compileMachine(program, { stepRunner: LOCAL_STEP_RUNNER, continues });
      if (!result.ok) return null;
      // The compiler's own types of a machine are closed; the interpreter reads any JSON.
      const machine = result.machine as unknown as JsonObject;
      compiled.set(name, machine);
      return machine;
    },
  };
}

export function createLocalStateMachines(runtime: StateMachineRuntime): StateMachines {
  return {
    async start(request) {
      const answer = await runtime.startExecution({
        tenant: request.tenant,
        stateMachineArn: machineArn(request.tenant, request.executionId),
        name: request.executionId,
        input: request.input,
      });
      if (answer.ok) return { kind: 'started' };
      switch (answer.error) {
        case 'ExecutionAlreadyExists':
          return { kind: 'exists' };
        case 'ExecutionLimitExceeded':
          return { kind: 'quota', message: answer.message };
        default:
          throw new Error(
            `state machine of ${request.executionId}: ${answer.error}: ${answer.message}`,
          );
      }
    },
    async stop(tenant, executionId, reason) {
      await runtime.stopExecution(executionArn(tenant, executionId), reason.error, reason.cause);
    },
    async describe(tenant, executionId) {
      const found = await runtime.describeExecution(executionArn(tenant, executionId));
      return found === null ? null : statusOf(found);
    },
    sendTaskSuccess: async (token, output) => sent(await runtime.sendTaskSuccess(token, output)),
    sendTaskFailure: async (token, { error, cause }) =>
      sent(await runtime.sendTaskFailure(token, error, cause)),
    sendTaskHeartbeat: async (token) => sent(await runtime.sendTaskHeartbeat(token)),
    async history(tenant, executionId, page) {
      const all = (await runtime.getExecutionHistory(executionArn(tenant, executionId))) ?? [];
      const from = page.after === null ? 0 : Number(page.after);
      const events = all.slice(from, from + page.limit) as unknown as readonly Json[];
      const next = from + events.length < all.length ? String(from + events.length) : null;
      return { events, next };
    },
  };
}

function sent(result: TokenResult): 'sent' | 'gone' {
  if (result.ok) return 'sent';
  // Ours are measured before they are sent, so one that is too large is a fault of ours.
  if (result.error === 'InvalidOutput')
    throw new Error('the output of a task is too large to send');
  return 'gone';
}

function statusOf({ status, startDate, stopDate, output, error, cause }: ExecutionDescription) {
  return { status, startedAt: startDate, stoppedAt: stopDate, output, error, cause };
}
