import type { Body, ResponseBody } from '#contract/routes.ts';
import { compileMachine } from '#core/asl/compile.ts';
import { CloudFlowError } from '#core/errors.ts';
import { carry, compatible, keyRoots, repeatPreview } from '#core/execution/carry.ts';
import { isFinal } from '#core/execution/events.ts';
import { report } from '#core/execution/report.ts';
import type { ExecutionState } from '#core/execution/state.ts';
import type { Program, RuntimeChoice } from '#core/plan/program.ts';
import type { VersionRecord } from '#ports/workflow-store.ts';
import type { Principal } from '../identity/principal.ts';
import { type ChosenRuntime, chooseRuntime } from './choose-runtime.ts';
import type { ExecutionDeps } from './deps.ts';
import { type CallFacts, keyOf, refuseConflict, refuseFull, tracedBy } from './execute-workflow.ts';
import { checkInput } from './input.ts';
import { loadState, requireExecution } from './load-state.ts';

type Preview = ResponseBody<'retryExecution'>;

/**
 * Goes on from where a finished execution failed, as a new execution: what succeeded and was not
 * undone is carried over, the rest runs, and idempotency keys are those of the first of the chain.
 */
export async function retryExecution(
  deps: Omit<ExecutionDeps, 'cursors' | 'tokens'>,
  principal: Principal,
  executionId: string,
  body: Body<'retryExecution'>,
  facts: CallFacts,
): Promise<{ readonly kind: 'dry_run' | 'accepted'; readonly body: Preview }> {
  const { tenant, mode } = principal;
  const record = await requireExecution(deps, principal, executionId);
  if (!isFinal(record.status)) {
    throw new CloudFlowError(
      'EXECUTION_NOT_FINISHED',
      `execution ${executionId} is ${record.status}; cancel it or wait for its end`,
    );
  }
  const { program, state } = await loadState(deps, tenant, executionId);
  const version = await deps.catalog.version(
    tenant,
    mode,
    record.workflowId,
    body.version ?? record.version,
  );
  const carried = carry(program, state);
  const problems = compatible(program, version.program, Object.keys(carried));
  if (problems.length > 0) {
    throw new CloudFlowError(
      'VERSION_INCOMPATIBLE',
      `version ${version.version} cannot take over what version ${record.version} has done`,
      { problems },
    );
  }
  const input = body.input === undefined ? record.input : body.input;
  checkInput(version.program, input);
  const asked = body.runtime ?? (body.version === undefined ? record.runtime : undefined);
  const insists = body.runtime === 'step_functions';
  const { runtime, ...choice } = chosen(deps, version, asked, insists);
  const preview: Preview = {
    execution_id: null,
    retry_of: record.id,
    root_id: record.rootId,
    workflow_id: record.workflowId,
    version: version.version,
    runtime,
    ...repeats(program, state),
  };
  if (body.dry_run === true) return { kind: 'dry_run', body: preview };

  const now = deps.clock.now();
  const id = facts.executionId ?? deps.ids.next(now);
  const ownKeys = keyRoots(state, id);
  const answer = await deps.executions.accept({
    tenant,
    mode,
    id,
    workflowId: record.workflowId,
    version: version.version,
    programHash: version.programHash,
    runtime,
    choice,
    input,
    rootId: record.rootId,
    parent: null,
    depth: record.depth,
    retryOf: record.id,
    carried,
    ...(ownKeys === null ? {} : { keyRoots: ownKeys }),
    labels: record.labels,
    priority: record.priority,
    correlationId: facts.correlationId,
    ...tracedBy(facts),
    idempotency: keyOf(principal, facts),
    now,
  });
  refuseConflict(answer, id, facts.idempotency !== null);
  refuseFull(answer, record.workflowId);
  if (answer.kind === 'accepted') {
    deps.hints.accepted({ tenant, executionId: id, runtime, ...tracedBy(facts) });
  }
  return { kind: 'accepted', body: { ...preview, execution_id: answer.executionId } };
}

/**
 * A machine that continues another execution asks before every step and so is larger: where it would
 * be too large the engine goes on, for it means the same.
 */
function chosen(
  deps: Pick<ExecutionDeps, 'runtimes'>,
  { runtime: resolved, program }: VersionRecord,
  wanted: RuntimeChoice | undefined,
  insists: boolean,
): ChosenRuntime {
  const choice = chooseRuntime(resolved, wanted, deps.runtimes);
  if (choice.runtime === 'engine') return choice;
  const compiled = compileMachine(program, { continues: true });
  if (compiled.ok) return choice;
  const reasons = compiled.problems.map(({ code }) => code);
  const reason = `a retry of this version does not run on step_functions (${reasons.join(', ')})`;
  if (!insists && deps.runtimes.has('engine')) return { ...choice, runtime: 'engine', reason };
  throw new CloudFlowError('RUNTIME_UNAVAILABLE', `${reason}; use engine`, {
    details: { reasons },
  });
}

function repeats(
  program: Program,
  state: ExecutionState,
): Pick<Preview, 'carried' | 'compensated' | 'repeated' | 'pending'> {
  const { carried, compensated, repeated, pending } = repeatPreview(program, state);
  const { steps } = report(program, state);
  return {
    carried: [...carried],
    compensated: [...compensated],
    repeated: repeated.map((step) => ({
      step,
      attempts: steps[step]?.attempts ?? 0,
      error: steps[step]?.error ?? null,
    })),
    pending: [...pending],
  };
}
