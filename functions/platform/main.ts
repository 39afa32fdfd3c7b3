import { readEnv } from '#config/env.ts';
import { platformRoutes } from '#contract/routes/platform.ts';
import { serveApi } from '../api/serve-api.ts';
import type { ServedBy } from '../shared/api.ts';
import { connectApi } from '../shared/connect.ts';
import { invoked } from '../shared/invoked.ts';
import { lambdaHandler } from '../shared/lambda.ts';
import { platformHandlers } from './handlers.ts';

const env = readEnv('platform-api', process.env);
const deps = await connectApi('platform-api', env);
const checks = { postgres: async () => void (await deps.pool.query('select 1')) };
const handlers = platformHandlers({ checks, serverUrl: () => env.PUBLIC_URL });

/** What the platform says of itself. */
export const handler = invoked(
  deps,
  lambdaHandler(serveApi<ServedBy<'platform-api'>>(deps, platformRoutes, handlers)),
);
