import type { Query, ResponseBody } from '#contract/routes.ts';
import { compileMachine } from '#core/asl/compile.ts';
import { CloudFlowError } from '#core/errors.ts';
import { isFinal, parseStepKey } from '#core/execution/events.ts';
import type { HeldStart } from '#core/execution/held.ts';
import { type Wait, waits } from '#core/execution/waits.ts';
import type { Json } from '#core/json.ts';
import { allSteps, type Program } from '#core/plan/program.ts';
import {
  type ExecutionFilter,
  type ExecutionRecord,
  type Labels,
  QUEUED_PHASE,
} from '#ports/execution-store.ts';
import type { Principal } from '../identity/principal.ts';
import { workflowsOf } from '../identity/workflow-scope.ts';
import { isoOrNull } from '../shared/present.ts';
import type { ExecutionDeps } from './deps.ts';
import { loadState, requireExecution } from './load-state.ts';
import {
  presentEvent,
  presentExecution,
  presentQuarantine,
  presentStep,
  presentTimeline,
  presentWait,
} from './present.ts';

const TIMELINE = 200;
const WAITS = 200;

export async function getExecution(
  deps: ExecutionDeps,
  principal: Principal,
  executionId: string,
): Promise<ResponseBody<'getExecution'>> {
  const { record, found, held } = await recordWithWaits(deps, principal, executionId);
  const timeline = await deps.executions.listEvents(principal.tenant, executionId, {
    limit: TIMELINE,
    after: null,
  });
  return {
    ...presentExecution(record),
    input: record.input,
    output: record.output,
    // The column holds what the core's CompensationState says, or nothing.
    compensation: record.compensation as 'NONE' | 'COMPLETE' | 'PARTIAL' | null,
    quarantine: record.quarantine === null ? null : presentQuarantine(record.quarantine),
    held: held === null ? null : { ...held, until: isoOrNull(held.until) },
    waits: found.slice(0, WAITS).map(presentWait),
    timeline: timeline.items.map(presentTimeline),
  };
}

/**
 * The row and the reasons are read apart, and the execution may move in between: a row that is older
 * than the log is read again, so that the two never contradict each other.
 */
async function recordWithWaits(
  deps: ExecutionDeps,
  principal: Principal,
  executionId: string,
): Promise<{
  readonly record: ExecutionRecord;
  readonly found: readonly Wait[];
  readonly held: HeldStart | null;
}> {
  let record = await requireExecution(deps, principal, executionId);
  let found: readonly Wait[] = [];
  // A status changes at most twice, and one that is held is let in once.
  for (let round = 0; round < 4 && !isFinal(record.status); round += 1) {
    // What is set aside contradicts itself, so no state follows from its log.
    if (record.quarantine !== null) break;
    if (record.phase === QUEUED_PHASE) {
      const now = deps.clock.now();
      const held = await deps.executions.heldStart(principal.tenant, executionId, now);
      if (held !== null) return { record, held, found: [{ step: null, kind: 'turn', ...held }] };
      record = await requireExecution(deps, principal, executionId);
      continue;
    }
    const { program, state } = await loadState(deps, principal.tenant, executionId);
    found = waits(program, state, deps.clock.now());
    if (state.status === record.status) return { record, found, held: null };
    record = await requireExecution(deps, principal, executionId);
  }
  return { record, found: isFinal(record.status) ? [] : found, held: null };
}

export async function listQuarantined(
  deps: ExecutionDeps,
  principal: Principal,
  query: Query<'listQuarantined'>,
): Promise<ResponseBody<'listQuarantined'>> {
  const scope = { principal, operation: 'listQuarantined' };
  const page = await deps.executions.listQuarantined(
    principal.tenant,
    principal.mode,
    principal.workflows,
    deps.cursors.request(scope, query),
  );
  return deps.cursors.page(scope, query, page, (each) => ({
    execution_id: each.executionId,
    workflow_id: each.workflowId,
    ...presentQuarantine(each),
  }));
}

export async function listExecutions(
  deps: ExecutionDeps,
  principal: Principal,
  query: Query<'listExecutions'>,
): Promise<ResponseBody<'listExecutions'>> {
  const scope = { principal, operation: 'listExecutions' };
  const page = await deps.executions.listExecutions(
    principal.tenant,
    filterOf(principal, query),
    deps.cursors.request(scope, query),
  );
  return deps.cursors.page(scope, query, page, presentExecution);
}

/** What the words of a list or of a bulk operation mean, narrowed to what the caller may touch. */
export function filterOf(
  principal: Principal,
  query: Omit<Query<'listExecutions'>, 'limit' | 'cursor'>,
): ExecutionFilter {
  return {
    mode: principal.mode,
    ...workflowsOf(principal),
    ...(query.status === undefined ? {} : { statuses: [query.status] }),
    ...(query.workflow_id === undefined ? {} : { workflowId: query.workflow_id }),
    ...(query.held === true ? { held: true as const } : {}),
    ...(query.version === undefined ? {} : { version: query.version }),
    ...(query.from === undefined ? {} : { createdFrom: instantOf('from', query.from) }),
    ...(query.to === undefined ? {} : { createdTo: instantOf('to', query.to) }),
    ...(query.label === undefined ? {} : { labels: labelsOf(query.label) }),
    ...(query.text === undefined ? {} : { text: query.text }),
  };
}

/** The executions of a workflow, also of one that was deleted: history stays. */
export async function listHistory(
  deps: ExecutionDeps,
  principal: Principal,
  workflowId: string,
  query: Query<'listHistory'>,
): Promise<ResponseBody<'listHistory'>> {
  const scope = { principal, operation: 'listHistory', of: workflowId };
  const page = await deps.executions.listExecutions(
    principal.tenant,
    { mode: principal.mode, workflowId },
    deps.cursors.request(scope, query),
  );
  if (page.items.length === 0) {
    await deps.catalog.workflow(principal.tenant, principal.mode, workflowId);
  }
  return deps.cursors.page(scope, query, page, presentExecution);
}

export async function listEvents(
  deps: ExecutionDeps,
  principal: Principal,
  executionId: string,
  query: Query<'listEvents'>,
): Promise<ResponseBody<'listEvents'>> {
  await requireExecution(deps, principal, executionId);
  const scope = { principal, operation: 'listEvents', of: executionId };
  const page = await deps.executions.listEvents(
    principal.tenant,
    executionId,
    deps.cursors.request(scope, query),
  );
  return deps.cursors.page(scope, query, page, presentEvent);
}

export async function listSteps(
  deps: ExecutionDeps,
  principal: Principal,
  executionId: string,
  query: Query<'listSteps'>,
): Promise<ResponseBody<'listSteps'>> {
  const record = await requireExecution(deps, principal, executionId);
  const program = await deps.programs.find(principal.tenant, record.programHash);
  const types = program === null ? new Map<string, string>() : typesOf(program);
  const scope = { principal, operation: 'listSteps', of: executionId };
  const page = await deps.executions.listSteps(
    principal.tenant,
    executionId,
    deps.cursors.request(scope, query),
  );
  return deps.cursors.page(scope, query, page, (step) =>
    presentStep(step, types.get(parseStepKey(step.step).path) ?? null),
  );
}

export async function getStateMachine(
  deps: ExecutionDeps,
  principal: Principal,
  executionId: string,
): Promise<ResponseBody<'getStateMachine'>> {
  const record = await requireExecution(deps, principal, executionId);
  const program = await deps.programs.find(principal.tenant, record.programHash);
  if (program === null) {
    throw new Error(`program ${record.programHash} of execution ${executionId} is not stored`);
  }
  const compiled = compileMachine(program);
  if (!compiled.ok) {
    throw new CloudFlowError('WORKFLOW_INVALID', 'this version has no state machine', {
      problems: compiled.problems,
    });
  }
  return {
    execution_id: record.id,
    workflow_id: record.workflowId,
    version: record.version,
    definition: compiled.machine as unknown as Json,
  };
}

function typesOf(program: Program): Map<string, string> {
  return new Map([...allSteps(program.root)].map((step) => [step.path, step.type]));
}

/** The contract's format allows leap seconds, which no clock of ours has, and years before any id. */
function instantOf(name: string, text: string): number {
  const at = Date.parse(text);
  if (Number.isNaN(at)) {
    throw new CloudFlowError('REQUEST_INVALID', 'the request does not fit the contract', {
      problems: [
        {
          code: 'REQUEST_INVALID',
          pointer: `/query/${name}`,
          message: 'is not an instant',
          given: JSON.stringify(text.slice(0, 64)),
          allowed: 'RFC 3339 without leap seconds',
        },
      ],
    });
  }
  return Math.max(at, 0);
}

/** `name:value`; the contract has checked the form. */
function labelsOf(filters: readonly string[]): Labels {
  return Object.fromEntries(
    filters.map((filter) => {
      const at = filter.indexOf(':');
      return [filter.slice(0, at), filter.slice(at + 1)];
    }),
  );
}
