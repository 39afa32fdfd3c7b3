import { isJsonObject, type Json } from '#core/json.ts';
import type { Connector } from './deps.ts';
import { invalidConfig, StepFailure, stepFailure } from './failure.ts';
import { short, typeName } from './http-config.ts';

const MEMBERS = ['operation', 'parameters', 'timeout', 'retry'];

/**
 * One attempt of a platform_operation: the raw result is the operation's own. Whoever does the work of
 * tenants' steps has no operations to give, so that a program that names one is refused here as well,
 * however it got past the check of its definition.
 */
export const performPlatformOperation: Connector = async (deps, caller, config) => {
  if (deps.platform === undefined) {
    throw stepFailure('Rejected', 'only workflows of the platform itself may operate it');
  }
  const { operation, parameters } = readConfig(config);
  const answer = await deps.platform.perform({
    operation,
    parameters,
    executionId: caller.executionId,
    idempotencyKey: caller.idempotencyKey,
    signal: caller.signal,
  });
  if (!answer.ok) throw new StepFailure(answer.error);
  return answer.result;
};

function readConfig(config: Json): { operation: string; parameters: Json } {
  if (!isJsonObject(config)) throw invalidConfig('config is not an object');
  const unknown = Object.keys(config).find((member) => !MEMBERS.includes(member));
  if (unknown !== undefined)
    throw invalidConfig(`config has an unknown member '${short(unknown)}'`);
  const { operation, parameters = {} } = config;
  if (typeof operation !== 'string') {
    throw invalidConfig(`operation is ${typeName(operation ?? null)}, not a name`);
  }
  return { operation, parameters };
}
