import { readEnv } from '#config/env.ts';
import { FUNCTIONS } from '#config/functions.ts';
import { serveApi } from '../api/serve-api.ts';
import { connectApi } from '../shared/connect.ts';
import { invoked } from '../shared/invoked.ts';
import { lambdaHandler } from '../shared/lambda.ts';
import { platformHandlers } from './handlers.ts';

const env = readEnv('platform-api', process.env);
const deps = await connectApi('platform-api', env);
const [{ tags }] = FUNCTIONS['platform-api'].triggers;
const checks = { postgres: async () => void (await deps.pool.query('select 1')) };
const handlers = platformHandlers({ checks, serverUrl: env.PUBLIC_URL });

/** What the platform says of itself. */
export const handler = invoked(deps, lambdaHandler(serveApi(deps, tags, handlers)));
