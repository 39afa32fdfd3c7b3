import type { BodyOf, ParamsOf, QueryOf, ResponseOf, Route } from './route.ts';
import { auditRoutes } from './routes/audit.ts';
import { authRoutes } from './routes/auth.ts';
import { bulkRoutes } from './routes/bulk-operations.ts';
import { connectionRoutes } from './routes/connections.ts';
import { apiKeyRoutes, sessionRoutes } from './routes/credentials.ts';
import { deadLetterRoutes } from './routes/dead-letters.ts';
import { approvalRoutes, callbackRoutes, executionRoutes } from './routes/executions.ts';
import { limitRoutes } from './routes/limits.ts';
import { platformRoutes } from './routes/platform.ts';
import { identityProviderRoutes, samlRoutes, ssoRoutes } from './routes/sso.ts';
import { startRoutes } from './routes/starts.ts';
import { roleRoutes, tenantRoutes, userRoutes } from './routes/users.ts';
import { workflowRoutes } from './routes/workflows.ts';

/**
 * The HTTP contract, declared once. Types, validation, OpenAPI, the router, the local server, the
 * client and the deployed API are all read from this table; its keys are the operation ids.
 */
export const routes = {
  ...workflowRoutes,
  ...limitRoutes,
  ...startRoutes,
  ...executionRoutes,
  ...bulkRoutes,
  ...approvalRoutes,
  ...callbackRoutes,
  ...connectionRoutes,
  ...authRoutes,
  ...ssoRoutes,
  ...samlRoutes,
  ...identityProviderRoutes,
  ...userRoutes,
  ...roleRoutes,
  ...tenantRoutes,
  ...apiKeyRoutes,
  ...sessionRoutes,
  ...auditRoutes,
  ...deadLetterRoutes,
  ...platformRoutes,
} as const satisfies Record<string, Route>;

export type Routes = typeof routes;
export type OperationId = keyof Routes;

export const operationIds = Object.keys(routes) as OperationId[];

export type Params<Id extends OperationId> = ParamsOf<Routes[Id]>;
export type Query<Id extends OperationId> = QueryOf<Routes[Id]>;
export type Body<Id extends OperationId> = BodyOf<Routes[Id]>;
export type ResponseBody<Id extends OperationId> = ResponseOf<Routes[Id]>;

/** The route as data, without the narrow type of its entry. */
export function routeOf(id: OperationId): Route {
  return routes[id];
}
