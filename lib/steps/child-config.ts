import type { StepError } from '#core/errors.ts';
import { isJsonObject, type Json } from '#core/json.ts';
import { invalidConfig, StepFailure } from './failure.ts';
import { short, typeName } from './http-config.ts';

export interface ChildConfig {
  readonly workflowId: string;
  readonly version: string | null;
  readonly input: Json;
}

export interface ApprovalConfig {
  /** Who may answer, each a user or a role. */
  readonly assignees: readonly string[];
  readonly message: string | null;
}

type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: StepError };

/** The evaluated config of a sub_workflow. */
export function parseChildConfig(config: Json): Parsed<ChildConfig> {
  return parsed(() => readChild(config));
}

/** The evaluated config of an approval. */
export function parseApprovalConfig(config: Json): Parsed<ApprovalConfig> {
  return parsed(() => readApproval(config));
}

export function readChild(config: Json): ChildConfig {
  const members = membersOf(config, [
    'workflow_id',
    'version',
    'input',
    'mode',
    'timeout',
    'retry',
  ]);
  const workflowId = members['workflow_id'];
  const version = members['version'] ?? null;
  if (typeof workflowId !== 'string' || !/^[a-z0-9][a-z0-9-]{0,62}$/.test(workflowId)) {
    throw invalidConfig('workflow_id is not the id of a workflow');
  }
  if (
    version !== null &&
    (typeof version !== 'string' || !/^\d{1,9}\.\d{1,9}\.\d{1,9}$/.test(version))
  ) {
    throw invalidConfig('version is not a version such as 2.1.0');
  }
  return { workflowId, version, input: members['input'] ?? {} };
}

function readApproval(config: Json): ApprovalConfig {
  const members = membersOf(config, ['assignee', 'message', 'timeout', 'on_reject']);
  const assignee = members['assignee'] ?? null;
  const assignees: readonly Json[] = Array.isArray(assignee) ? assignee : [assignee as Json];
  if (assignees.length === 0 || assignees.length > 20 || !assignees.every(isName)) {
    throw invalidConfig('assignee is neither a text nor a list of 1 to 20 texts');
  }
  const message = members['message'] ?? null;
  if (message !== null && typeof message !== 'string') {
    throw invalidConfig(`message is ${typeName(message)}, not a text`);
  }
  return { assignees: assignees as readonly string[], message };
}

function isName(value: Json): boolean {
  return typeof value === 'string' && value.length > 0 && value.length <= 256;
}

function membersOf(config: Json, known: readonly string[]): { readonly [name: string]: Json } {
  if (!isJsonObject(config)) throw invalidConfig('config is not an object');
  const unknown = Object.keys(config).find((member) => !known.includes(member));
  if (unknown !== undefined)
    throw invalidConfig(`config has an unknown member '${short(unknown)}'`);
  return config;
}

function parsed<T>(read: () => T): Parsed<T> {
  try {
    return { ok: true, value: read() };
  } catch (error) {
    if (error instanceof StepFailure) return { ok: false, error: error.error };
    throw error;
  }
}
