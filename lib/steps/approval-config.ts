import type { StepError } from '#core/errors.ts';
import { isJsonObject, type Json } from '#core/json.ts';
import { invalidConfig, StepFailure } from './failure.ts';
import { short, typeName } from './http-config.ts';

export interface ApprovalConfig {
  /** Who may answer, each a user or a role. */
  readonly assignees: readonly string[];
  readonly message: string | null;
}

type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: StepError };

/** The evaluated config of an approval. */
export function parseApprovalConfig(config: Json): Parsed<ApprovalConfig> {
  try {
    return { ok: true, value: readApproval(config) };
  } catch (error) {
    if (error instanceof StepFailure) return { ok: false, error: error.error };
    throw error;
  }
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
