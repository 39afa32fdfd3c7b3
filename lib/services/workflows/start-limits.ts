import type { Body, ResponseBody } from '#contract/routes.ts';
import { CloudFlowError } from '#core/errors.ts';
import type { StartLimits } from '#core/plan/program.ts';
import type { StartGate } from '#ports/start-limits.ts';
import type { Principal } from '../identity/principal.ts';
import { changed, etagOf, requireMatch } from '../shared/etag.ts';
import { iso, isoOrNull } from '../shared/present.ts';
import { notFound } from '../shared/problems.ts';
import type { WorkflowDeps } from './deps.ts';

type LimitsBody = ResponseBody<'getLimits'>;

interface Answer {
  readonly etag: string;
  readonly body: LimitsBody;
}

/** `workflowId` null: of all workflows of the tenant together. */
export async function getStartLimits(
  deps: WorkflowDeps,
  principal: Principal,
  workflowId: string | null,
): Promise<Answer> {
  const { tenant, mode } = principal;
  if (workflowId === null) requireAll(principal);
  else await deps.catalog.workflow(tenant, mode, workflowId);
  return answer(await deps.store.startGate(tenant, mode, workflowId));
}

function answer(gate: StartGate): Answer {
  return { etag: tagOf(gate), body: present(gate) };
}

function tagOf({ revision, set }: StartGate): string {
  return etagOf({ revision, updatedAt: set?.at ?? 0 });
}

/** What is not named is limited no longer. */
export async function setStartLimits(
  deps: WorkflowDeps,
  principal: Principal,
  workflowId: string | null,
  body: Body<'setLimits'>,
  ifMatch: string | null,
): Promise<Answer> {
  const { tenant, mode, subject } = principal;
  if (workflowId === null) requireAll(principal);
  else await deps.catalog.workflow(tenant, mode, workflowId);
  const { concurrency, starts, max_waiting } = body;
  const says = concurrency ?? starts ?? max_waiting;
  const limits: StartLimits | null =
    says === undefined
      ? null
      : {
          concurrency: concurrency ?? null,
          starts:
            starts === undefined
              ? null
              : { count: starts.count, perMs: starts.per_seconds * 1_000 },
          maxWaiting: max_waiting ?? null,
        };
  const current = await deps.store.startGate(tenant, mode, workflowId);
  requireMatch(ifMatch, tagOf(current));
  const done = await deps.store.setStartLimits(tenant, mode, workflowId, {
    limits,
    revision: ifMatch === null || ifMatch.trim() === '*' ? null : current.revision,
    by: subject,
    now: deps.clock.now(),
  });
  if (done === 'not_found') throw notFound('workflow');
  if (done === 'changed') throw changed();
  return answer(await deps.store.startGate(tenant, mode, workflowId));
}

/** Limits of all workflows together say something of those that a narrowed key may not know. */
function requireAll({ workflows }: Principal): void {
  if (workflows === null) return;
  throw new CloudFlowError(
    'PERMISSION_DENIED',
    'this key is for certain workflows; limits of all together are not among what it may see',
  );
}

function present({ declared, set, running, waiting, oldestWaiting }: StartGate): LimitsBody {
  return {
    declared: declared === null ? null : presentLimits(declared),
    set: set === null ? null : { ...presentLimits(set), at: iso(set.at), by: set.by },
    running,
    waiting,
    oldest_waiting: isoOrNull(oldestWaiting),
  };
}

function presentLimits({ concurrency, starts, maxWaiting }: StartLimits) {
  return {
    concurrency,
    starts: starts === null ? null : { count: starts.count, per_seconds: starts.perMs / 1_000 },
    max_waiting: maxWaiting,
  };
}
