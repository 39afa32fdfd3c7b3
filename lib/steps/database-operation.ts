import { keptAs } from '#core/connections.ts';
import type { StepErrorName } from '#core/errors.ts';
import { isJsonObject, type Json } from '#core/json.ts';
import { bindParameters } from '#core/operations.ts';
import { readStatement } from '#core/sql-statement.ts';
import type { DatabaseFailure } from '#ports/databases.ts';
import type { Connector } from './deps.ts';
import { invalidConfig, stepFailure } from './failure.ts';
import { short, typeName } from './http-config.ts';
import { through } from './through-gate.ts';

/** Bytes that all rows of one result may have on the wire. */
const MAX_RESULT_BYTES = 786_432;
const DEFAULT_MAX_ROWS = 100;
const MEMBERS = ['operation', 'connection', 'parameters', 'timeout', 'retry'];

/**
 * One attempt of a database_operation: a registered statement with the parameters of the step. Raw
 * result: `{rows, row_count}`, or `{row_count}` where the statement returns no rows by its nature.
 */
export const performDatabaseOperation: Connector = async (deps, caller, config) => {
  const { tenant, mode } = caller;
  const { name, on, parameters } = readConfig(config, caller.stepId);
  const operation = await deps.connections.findOperation(tenant, mode, name);
  if (operation === null) throw invalidConfig(`no operation '${short(name)}' is registered`);
  const { spec } = operation;
  if (on !== null && on !== spec.connection) {
    throw invalidConfig(`operation '${name}' is not registered on connection '${short(on)}'`);
  }
  const connection = await deps.connections.find(tenant, mode, spec.connection);
  if (connection?.spec.type !== 'postgres') {
    throw invalidConfig(`operation '${name}' is on '${spec.connection}', which is no database`);
  }
  const statement = readStatement(spec.statement, spec.access);
  if (!statement.ok) throw invalidConfig(`operation '${name}': ${statement.message}`);
  const bound = bindParameters(spec, statement.names, parameters);
  if (!bound.ok) throw invalidConfig(bound.message);

  const database = connection.spec;
  const login = spec.access === 'read' ? (database.reader ?? database.login) : database.login;
  const kept = keptAs(connection.secrets, login.secret);
  const password = await deps.secrets.get({ tenant, mode, name: kept });
  if (password === null) {
    throw invalidConfig(`connection '${connection.name}' names a secret that is not stored`);
  }
  const answer = await through(deps.gate, caller, `${mode} ${connection.name}`, async () => {
    const value = await deps.databases.run({
      tenant,
      mode,
      connection: connection.id,
      revision: connection.revision,
      spec: database,
      login: { username: login.username, password },
      access: spec.access,
      text: statement.text,
      values: bound.values,
      key: caller.idempotencyKey,
      maxRows: spec.max_rows ?? DEFAULT_MAX_ROWS,
      maxBytes: MAX_RESULT_BYTES,
      signal: caller.signal,
    });
    // A statement that ran out of time says nothing about the database: it may just be slow.
    return { value, silent: !value.ok && value.reason === 'unavailable' };
  });
  if (!answer.ok) throw stepFailure(DATABASE_FAILURES[answer.reason], answer.message);
  return answer.result;
};

function readConfig(
  config: Json,
  stepId: string,
): { name: string; on: string | null; parameters: Json } {
  if (!isJsonObject(config)) throw invalidConfig('config is not an object');
  const unknown = Object.keys(config).find((member) => !MEMBERS.includes(member));
  if (unknown !== undefined)
    throw invalidConfig(`config has an unknown member '${short(unknown)}'`);
  const name = config['operation'] ?? stepId;
  if (typeof name !== 'string') throw invalidConfig(`operation is ${typeName(name)}, not a name`);
  const on = config['connection'] ?? null;
  if (on !== null && typeof on !== 'string') {
    throw invalidConfig(`connection is ${typeName(on)}, not a name`);
  }
  return { name, on, parameters: config['parameters'] ?? {} };
}

const DATABASE_FAILURES: { readonly [F in DatabaseFailure]: StepErrorName } = {
  refused: 'PermissionDenied',
  aborted: 'Timeout',
  unavailable: 'DatabaseUnavailable',
  login: 'AuthenticationFailed',
  denied: 'PermissionDenied',
  constraint: 'ConstraintViolation',
  serialization: 'SerializationFailure',
  too_large: 'OutputTooLarge',
  invalid: 'InvalidConfig',
};
