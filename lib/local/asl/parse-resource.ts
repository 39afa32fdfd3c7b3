/** The resource of a Task and the arguments that it takes. */
import { isJsonObject, type JsonObject, pointerTo } from '#core/json.ts';
import type { Resource } from './machine.ts';
import type { Reader } from './read-fields.ts';

const RESOURCE_NAMES: { readonly [resource: string]: Resource } = {
  'lambda:invoke': 'lambda',
  'lambda:invoke.waitForTaskToken': 'lambda-token',
  'states:startExecution.sync:2': 'execution-sync',
};

export function parseResource(given: JsonObject, pointer: string, reader: Reader): Resource | null {
  const arn = reader.string(given, pointer, 'Resource', 'required');
  if (arn === null) return null;
  const name = /^arn:aws[a-z-]*:states:::(.+)$/.exec(arn)?.[1] ?? '';
  const resource = Object.hasOwn(RESOURCE_NAMES, name) ? RESOURCE_NAMES[name] : undefined;
  if (resource !== undefined) return resource;
  const what = /^arn:aws[a-z-]*:states:[^:]*:[^:]*:activity:/.test(arn)
    ? 'activities are not supported'
    : 'this resource is not supported';
  reader.problem(
    'UNSUPPORTED_RESOURCE',
    pointerTo(pointer, 'Resource'),
    what,
    arn,
    Object.keys(RESOURCE_NAMES)
      .map((each) => `arn:aws:states:::${each}`)
      .join(', '),
  );
  return null;
}

const ARGUMENTS: { readonly [R in Resource]: { required: string; known: readonly string[] } } = {
  lambda: { required: 'FunctionName', known: ['FunctionName', 'Payload'] },
  'lambda-token': { required: 'FunctionName', known: ['FunctionName', 'Payload'] },
  'execution-sync': { required: 'StateMachineArn', known: ['StateMachineArn', 'Input', 'Name'] },
};

/** Arguments are checked here as far as they are written out; one expression is checked when it ran. */
export function checkArguments(
  given: JsonObject,
  pointer: string,
  resource: Resource,
  reader: Reader,
): void {
  const at = pointerTo(pointer, 'Arguments');
  const value = given['Arguments'];
  const { required, known } = ARGUMENTS[resource];
  if (typeof value === 'string' && value.startsWith('{%')) return;
  if (!isJsonObject(value)) {
    reader.problem('SCHEMA_VALIDATION_FAILED', at, `'Arguments' must hold '${required}'`, value);
    return;
  }
  reader.fields(value, at, 'list of arguments', known);
  reader.string(value, at, required, 'required');
}
