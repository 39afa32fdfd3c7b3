import { foldStored } from '#core/execution/fold.ts';
import type { ExecutionState } from '#core/execution/state.ts';
import type { Program } from '#core/plan/program.ts';
import type { ExecutionRecord, LoadedExecution } from '#ports/execution-store.ts';
import type { Principal } from '../identity/principal.ts';
import { mayTouchWorkflow } from '../identity/workflow-scope.ts';
import { notFound } from '../shared/problems.ts';
import type { ExecutionDeps } from './deps.ts';

/** The execution, if it is of the caller's tenant and mode; throws NOT_FOUND. */
export async function requireExecution(
  deps: Pick<ExecutionDeps, 'executions'>,
  principal: Principal,
  executionId: string,
): Promise<ExecutionRecord> {
  const record = await findExecution(deps, principal, executionId);
  if (record === null) throw notFound('execution');
  return record;
}

/** The same; null where it is none of the caller's. */
export async function findExecution(
  deps: Pick<ExecutionDeps, 'executions'>,
  principal: Principal,
  executionId: string,
): Promise<ExecutionRecord | null> {
  const record = await deps.executions.getExecution(principal.tenant, executionId);
  if (record === null || record.mode !== principal.mode) return null;
  return mayTouchWorkflow(principal, record.workflowId) ? record : null;
}

export interface ExecutionInHand {
  readonly program: Program;
  readonly state: ExecutionState;
  readonly loaded: LoadedExecution;
}

/** The execution's state as its log tells it, and the program that it runs. */
export async function loadState(
  deps: Pick<ExecutionDeps, 'executions' | 'programs'>,
  tenant: string,
  executionId: string,
): Promise<ExecutionInHand> {
  const loaded = await deps.executions.loadExecution(tenant, executionId);
  if (loaded === null) throw notFound('execution');
  const program = await deps.programs.find(tenant, loaded.header.programHash);
  if (program === null) {
    throw new Error(
      `program ${loaded.header.programHash} of execution ${executionId} is not stored`,
    );
  }
  const state = foldStored(program, loaded);
  if (state !== null) return { program, loaded, state };
  const whole = await deps.executions.loadExecution(tenant, executionId, true);
  const folded = whole === null ? null : foldStored(program, whole);
  if (whole === null || folded === null) throw notFound('execution');
  return { program, loaded: whole, state: folded };
}
