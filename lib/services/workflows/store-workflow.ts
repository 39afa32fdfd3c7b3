import { createHash } from 'node:crypto';
import type { ResponseBody } from '#contract/routes.ts';
import { CloudFlowError, type Problem } from '#core/errors.ts';
import { canonicalJson, type Json, type JsonObject } from '#core/json.ts';
import type { Principal } from '../identity/principal.ts';
import { mayTouchWorkflow } from '../identity/workflow-scope.ts';
import { changed, etagOf, requireMatch } from '../shared/etag.ts';
import { notFound } from '../shared/problems.ts';
import { checkDefinition } from './check-definition.ts';
import type { WorkflowDeps } from './deps.ts';
import { presentStored } from './present.ts';

export interface StoredWorkflow {
  readonly created: boolean;
  readonly etag: string;
  readonly body: ResponseBody<'createWorkflow'>;
}

/** What paths and lists can hold. */
const VERSION = /^\d{1,9}\.\d{1,9}\.\d{1,9}$/;

/** Stores a version of a workflow, and the workflow with its first. */
export async function createWorkflow(
  deps: WorkflowDeps,
  principal: Principal,
  document: JsonObject,
): Promise<StoredWorkflow> {
  const { workflow_id: id } = document;
  if (typeof id === 'string' && !mayTouchWorkflow(principal, id)) {
    throw new CloudFlowError('PERMISSION_DENIED', `this key is not for the workflow '${id}'`);
  }
  return store(deps, principal, document, null);
}

/** Stores a further version of a workflow that is still as the caller saw it. */
export async function updateWorkflow(
  deps: WorkflowDeps,
  principal: Principal,
  workflowId: string,
  document: JsonObject,
  ifMatch: string | null,
): Promise<StoredWorkflow> {
  const current = await deps.catalog.workflow(principal.tenant, principal.mode, workflowId);
  requireMatch(ifMatch, etagOf(current));
  if (document['workflow_id'] !== workflowId) {
    throw invalid([
      {
        code: 'E_SCHEMA',
        pointer: '/workflow_id',
        message: 'is not the workflow of this path',
        given: JSON.stringify(document['workflow_id'] ?? null).slice(0, 64),
        allowed: workflowId,
      },
    ]);
  }
  return store(deps, principal, document, current.revision);
}

async function store(
  deps: WorkflowDeps,
  principal: Principal,
  document: JsonObject,
  expectedRevision: number | null,
): Promise<StoredWorkflow> {
  const checked = await checkDefinition(deps, principal, document);
  if (!checked.ok) throw invalid(checked.problems);
  const { program, warnings, report, runtime } = checked;
  if (!VERSION.test(program.version)) {
    throw invalid([
      {
        code: 'E_SCHEMA',
        pointer: '/version',
        message: 'has a number that is too long',
        given: program.version.slice(0, 64),
        allowed: 'three numbers of up to nine digits, such as 2.1.0',
      },
    ]);
  }
  const now = deps.clock.now();
  const answer = await deps.store.storeVersion({
    tenant: principal.tenant,
    mode: principal.mode,
    workflowId: program.workflowId,
    version: program.version,
    definition: document,
    definitionHash: createHash('sha256').update(canonicalJson(document)).digest('hex'),
    program,
    // Plain data; the types only lack the index signature of Json.
    warnings: warnings as unknown as Json,
    report: report as unknown as Json,
    runtime,
    createdBy: principal.subject,
    now,
    expectedRevision,
  });
  if (answer.kind === 'stored') {
    const { tenant, mode } = principal;
    await deps.catalog.changed(tenant, mode, program.workflowId, answer.revision);
  }
  switch (answer.kind) {
    case 'stored':
    case 'existing':
      return {
        created: answer.kind === 'stored',
        etag: etagOf(answer),
        body: presentStored(answer.record),
      };
    case 'taken':
      throw new CloudFlowError(
        'WORKFLOW_VERSION_EXISTS',
        `version ${program.version} of '${program.workflowId}' has another definition; versions never change, so give it a new number`,
      );
    case 'changed':
      throw changed();
    case 'not_found':
      throw notFound('workflow');
  }
}

function invalid(problems: readonly Problem[]): CloudFlowError {
  const count = problems.length;
  return new CloudFlowError(
    'WORKFLOW_INVALID',
    `the definition has ${count} ${count === 1 ? 'problem' : 'problems'}`,
    { problems },
  );
}
