import { VERSION_PATTERN, WORKFLOW_ID_PATTERN } from '#core/dsl/patterns.ts';
import { type StepError, stepErrorCode } from '#core/errors.ts';
import { isJsonObject, type Json } from '#core/json.ts';

/** What a sub_workflow starts. */
export interface ChildConfig {
  readonly workflowId: string;
  /** Null: the version that is current when the child starts. */
  readonly version: string | null;
  readonly input: Json;
}

const MEMBERS = ['workflow_id', 'version', 'input', 'mode', 'timeout', 'retry'];
const ID = new RegExp(WORKFLOW_ID_PATTERN);
const VERSION = new RegExp(VERSION_PATTERN);

/** The evaluated config of a sub_workflow, on both runtimes: its members came out of expressions. */
export function parseChildConfig(
  config: Json,
):
  | { readonly ok: true; readonly value: ChildConfig }
  | { readonly ok: false; readonly error: StepError } {
  if (!isJsonObject(config)) return invalid('config is not an object');
  const unknown = Object.keys(config).find((member) => !MEMBERS.includes(member));
  if (unknown !== undefined)
    return invalid(`config has an unknown member '${unknown.slice(0, 40)}'`);
  const { workflow_id: workflowId, version = null, input } = config;
  if (typeof workflowId !== 'string' || !ID.test(workflowId)) {
    return invalid('workflow_id is not the id of a workflow');
  }
  if (version !== null && (typeof version !== 'string' || !VERSION.test(version))) {
    return invalid('version is not a version such as 2.1.0');
  }
  return { ok: true, value: { workflowId, version, input: input ?? {} } };
}

function invalid(message: string): { readonly ok: false; readonly error: StepError } {
  return { ok: false, error: { code: stepErrorCode('InvalidConfig'), message } };
}
