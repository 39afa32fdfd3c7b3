import type { ResponseBody } from '#contract/routes.ts';
import type { Problem } from '#core/errors.ts';
import type { ReportJson } from '#core/report-json.ts';
import type { VersionRecord, VersionSummary, WorkflowRecord } from '#ports/workflow-store.ts';
import { iso } from '../shared/present.ts';

type WorkflowItem = ResponseBody<'listWorkflows'>['items'][number];
type VersionItem = ResponseBody<'listVersions'>['items'][number];

export function presentWorkflow(record: WorkflowRecord): WorkflowItem {
  return {
    workflow_id: record.workflowId,
    version: record.version,
    description: record.description,
    runtime: record.runtime,
    step_count: record.stepCount,
    version_count: record.versionCount,
    created_at: iso(record.createdAt),
    updated_at: iso(record.updatedAt),
    paused:
      record.pause === null
        ? null
        : { at: iso(record.pause.at), by: record.pause.by, reason: record.pause.reason },
  };
}

export function presentVersion(record: VersionSummary): VersionItem {
  return {
    workflow_id: record.workflowId,
    version: record.version,
    description: record.description,
    hash: record.definitionHash,
    created_at: iso(record.createdAt),
    created_by: record.createdBy,
  };
}

export function presentStored(record: VersionRecord): ResponseBody<'createWorkflow'> {
  return {
    ...presentVersion(record),
    // Both were written from these types when the version was stored.
    warnings: record.warnings as unknown as Problem[],
    report: record.report as unknown as ReportJson,
  };
}
