import {
  type ConnectionDeps,
  createConnection,
  createOperation,
  deleteConnection,
  deleteOperation,
  getConnection,
  getOperation,
  listConnections,
  listOperations,
  updateConnection,
  updateOperation,
} from '#services/connections/connections.ts';
import type { Handlers, OperationsOf } from '../shared/api.ts';

export function connectionHandlers(deps: ConnectionDeps): Handlers<OperationsOf<'connections'>> {
  return {
    createConnection: async ({ principal, body }) => ({
      ...(await createConnection(deps, principal, body)),
      location: `/api/v1/connections/${body.name}`,
    }),
    listConnections: async ({ principal, query }) => ({
      body: await listConnections(deps, principal, query),
    }),
    getConnection: ({ principal, params }) => getConnection(deps, principal, params.connection),
    updateConnection: ({ principal, params, body, ifMatch }) =>
      updateConnection(deps, principal, params.connection, body, ifMatch),
    deleteConnection: async ({ principal, params, ifMatch }) => {
      await deleteConnection(deps, principal, params.connection, ifMatch);
      return { body: undefined };
    },
    createOperation: async ({ principal, params, body }) => ({
      ...(await createOperation(deps, principal, params.connection, body)),
      location: `/api/v1/connections/${params.connection}/operations/${body.name}`,
    }),
    listOperations: async ({ principal, params, query }) => ({
      body: await listOperations(deps, principal, params.connection, query),
    }),
    getOperation: ({ principal, params }) =>
      getOperation(deps, principal, params.connection, params.operation),
    updateOperation: ({ principal, params, body, ifMatch }) =>
      updateOperation(deps, principal, params.connection, params.operation, body, ifMatch),
    deleteOperation: async ({ principal, params, ifMatch }) => {
      await deleteOperation(deps, principal, params.connection, params.operation, ifMatch);
      return { body: undefined };
    },
  };
}
