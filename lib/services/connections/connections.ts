import type { Body, Query, ResponseBody } from '#contract/routes.ts';
import { type OperationSpec, secretNamesOf } from '#core/connections.ts';
import { CloudFlowError } from '#core/errors.ts';
import { checkOperation } from '#core/operations.ts';
import type {
  ConnectionRecord,
  ConnectionStore,
  OperationRecord,
} from '#ports/connection-store.ts';
import type { Principal } from '../identity/principal.ts';
import type { Cursors } from '../shared/cursor.ts';
import { changed, etagOf, requireMatch } from '../shared/etag.ts';
import { iso, presentAge } from '../shared/present.ts';
import { notFound } from '../shared/problems.ts';
import type { Tagged } from '../shared/tagged.ts';
import { type KeptSecretsDeps, keepSecrets } from './kept-secrets.ts';
import { refuseProblems } from './refuse.ts';

export interface ConnectionDeps extends KeptSecretsDeps {
  readonly store: ConnectionStore;
  readonly cursors: Cursors;
}

type ConnectionBody = ResponseBody<'getConnection'>;
type OperationBody = ResponseBody<'getOperation'>;

export async function createConnection(
  deps: ConnectionDeps,
  principal: Principal,
  body: Body<'createConnection'>,
): Promise<Tagged<ConnectionBody>> {
  const { name, connection, secrets = {} } = body;
  const key = keyOf(principal, name);
  if ((await deps.store.find(key.tenant, key.mode, name)) !== null) throw taken('connection', name);
  const kept = await keepSecrets(deps, principal, connection, secrets, null);
  const now = deps.clock.now();
  const answer = await deps.store.create(
    key,
    { id: deps.ids.next(now), spec: connection, secrets: kept },
    now,
  );
  if (answer.kind === 'taken') throw taken('connection', name);
  return present(answer.record);
}

export async function listConnections(
  deps: ConnectionDeps,
  principal: Principal,
  query: Query<'listConnections'>,
): Promise<ResponseBody<'listConnections'>> {
  const scope = { principal, operation: 'listConnections' };
  const page = await deps.store.list(
    principal.tenant,
    principal.mode,
    deps.cursors.request(scope, query),
  );
  return deps.cursors.page(scope, query, page, (record) => present(record).body);
}

export async function getConnection(
  deps: ConnectionDeps,
  principal: Principal,
  name: string,
): Promise<Tagged<ConnectionBody>> {
  return present(await requireConnection(deps, principal, name));
}

export async function updateConnection(
  deps: ConnectionDeps,
  principal: Principal,
  name: string,
  body: Body<'updateConnection'>,
  ifMatch: string | null,
): Promise<Tagged<ConnectionBody>> {
  const current = await requireConnection(deps, principal, name);
  requireMatch(ifMatch, etagOf(current));
  if (body.connection.type !== current.spec.type) {
    throw new CloudFlowError(
      'CONFLICT',
      `connection '${name}' is of type ${current.spec.type}; make another one for ${body.connection.type}`,
    );
  }
  const secrets = await keepSecrets(deps, principal, body.connection, body.secrets ?? {}, current);
  const answer = await deps.store.replace(
    keyOf(principal, name),
    { id: current.id, spec: body.connection, secrets },
    current.revision,
    deps.clock.now(),
  );
  if (answer.kind === 'replaced') return present(answer.record);
  throw answer.kind === 'changed' ? changed() : notFound('connection');
}

/** Its secrets go with it. */
export async function deleteConnection(
  deps: ConnectionDeps,
  principal: Principal,
  name: string,
  ifMatch: string | null,
): Promise<void> {
  const current = await requireConnection(deps, principal, name);
  requireMatch(ifMatch, etagOf(current));
  const answer = await deps.store.remove(
    keyOf(principal, name),
    current.id,
    current.revision,
    deps.clock.now(),
  );
  if (answer === 'not_found') throw notFound('connection');
  if (answer === 'changed') throw changed();
  if (answer === 'used') {
    throw new CloudFlowError('CONFLICT', `connection '${name}' has operations; delete them first`);
  }
}

export async function createOperation(
  deps: ConnectionDeps,
  principal: Principal,
  connection: string,
  { name, ...statement }: Body<'createOperation'>,
): Promise<Tagged<OperationBody>> {
  await requireDatabase(deps, principal, connection);
  const spec = { connection, ...statement };
  refuseProblems(checkOperation(spec));
  const answer = await deps.store.createOperation(keyOf(principal, name), spec, deps.clock.now());
  if (answer.kind === 'created') return presentOperation(answer.record);
  throw answer.kind === 'taken' ? taken('operation', name) : notFound('connection');
}

export async function listOperations(
  deps: ConnectionDeps,
  principal: Principal,
  connection: string,
  query: Query<'listOperations'>,
): Promise<ResponseBody<'listOperations'>> {
  await requireConnection(deps, principal, connection);
  const scope = { principal, operation: 'listOperations', of: connection };
  const page = await deps.store.listOperations(
    principal.tenant,
    principal.mode,
    connection,
    deps.cursors.request(scope, query),
  );
  return deps.cursors.page(scope, query, page, (record) => presentOperation(record).body);
}

export async function getOperation(
  deps: ConnectionDeps,
  principal: Principal,
  connection: string,
  name: string,
): Promise<Tagged<OperationBody>> {
  return presentOperation(await requireOperation(deps, principal, connection, name));
}

export async function updateOperation(
  deps: ConnectionDeps,
  principal: Principal,
  connection: string,
  name: string,
  statement: Body<'updateOperation'>,
  ifMatch: string | null,
): Promise<Tagged<OperationBody>> {
  const current = await requireOperation(deps, principal, connection, name);
  requireMatch(ifMatch, etagOf(current));
  const spec: OperationSpec = { connection, ...statement };
  refuseProblems(checkOperation(spec));
  const answer = await deps.store.replaceOperation(
    keyOf(principal, name),
    spec,
    current.revision,
    deps.clock.now(),
  );
  if (answer.kind === 'replaced') return presentOperation(answer.record);
  throw answer.kind === 'changed' ? changed() : notFound('operation');
}

export async function deleteOperation(
  deps: ConnectionDeps,
  principal: Principal,
  connection: string,
  name: string,
  ifMatch: string | null,
): Promise<void> {
  const current = await requireOperation(deps, principal, connection, name);
  requireMatch(ifMatch, etagOf(current));
  const answer = await deps.store.removeOperation(
    keyOf(principal, name),
    connection,
    current.revision,
  );
  if (answer === 'not_found') throw notFound('operation');
  if (answer === 'changed') throw changed();
}

function keyOf({ tenant, mode }: Principal, name: string) {
  return { tenant, mode, name };
}

async function requireConnection(
  deps: ConnectionDeps,
  { tenant, mode }: Principal,
  name: string,
): Promise<ConnectionRecord> {
  const found = await deps.store.find(tenant, mode, name);
  if (found === null) throw notFound('connection');
  return found;
}

async function requireDatabase(
  deps: ConnectionDeps,
  principal: Principal,
  name: string,
): Promise<void> {
  const { spec } = await requireConnection(deps, principal, name);
  if (spec.type === 'postgres') return;
  throw new CloudFlowError('CONNECTION_INVALID', `connection '${name}' is no database connection`);
}

async function requireOperation(
  deps: ConnectionDeps,
  { tenant, mode }: Principal,
  connection: string,
  name: string,
): Promise<OperationRecord> {
  const found = await deps.store.findOperation(tenant, mode, name);
  if (found === null || found.spec.connection !== connection) throw notFound('operation');
  return found;
}

function taken(what: string, name: string): CloudFlowError {
  return new CloudFlowError('CONFLICT', `${what} '${name}' exists`);
}

function present(record: ConnectionRecord): Tagged<ConnectionBody> {
  return {
    etag: etagOf(record),
    body: {
      name: record.name,
      connection: record.spec,
      secret_names: [...secretNamesOf(record.spec)],
      secrets: [...new Set(secretNamesOf(record.spec))].map((name) => ({
        name,
        ...presentAge(record.secrets[name]),
      })),
      created_at: iso(record.createdAt),
      updated_at: iso(record.updatedAt),
    },
  };
}

function presentOperation(record: OperationRecord): Tagged<OperationBody> {
  return {
    etag: etagOf(record),
    body: {
      name: record.name,
      ...record.spec,
      created_at: iso(record.createdAt),
      updated_at: iso(record.updatedAt),
    },
  };
}
