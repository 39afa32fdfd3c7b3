import { createPostgresConnections } from '#adapters/postgres/connection-store.ts';
import { readEnv } from '#config/env.ts';
import { connectionRoutes } from '#contract/routes/connections.ts';
import { serveApi } from '../api/serve-api.ts';
import type { ServedBy } from '../shared/api.ts';
import { connectApi } from '../shared/connect.ts';
import { invoked } from '../shared/invoked.ts';
import { lambdaHandler } from '../shared/lambda.ts';
import { openTenantSecrets } from '../shared/secrets.ts';
import { connectionHandlers } from './handlers.ts';

const env = readEnv('connections-api', process.env);
const deps = await connectApi('connections-api', env);
const handlers = connectionHandlers({
  ...deps,
  store: createPostgresConnections(deps.pool),
  secrets: openTenantSecrets(deps, env),
});

/** Connections to other systems, their operations and secrets. */
export const handler = invoked(
  deps,
  lambdaHandler(serveApi<ServedBy<'connections-api'>>(deps, connectionRoutes, handlers)),
);
