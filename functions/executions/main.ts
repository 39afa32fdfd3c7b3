import { createCallbackTokens } from '#adapters/local/callback-tokens.ts';
import { createExecutionAccess } from '#adapters/postgres/access.ts';
import { createPartitions } from '#adapters/postgres/partitions.ts';
import { createPostgresPrograms } from '#adapters/postgres/programs.ts';
import { readEnv } from '#config/env.ts';
import { FUNCTIONS } from '#config/functions.ts';
import { authenticateToken } from '#services/executions/callbacks.ts';
import { serveApi } from '../api/serve-api.ts';
import { connectApi } from '../shared/connect.ts';
import { invoked } from '../shared/invoked.ts';
import { lambdaHandler } from '../shared/lambda.ts';
import { openNudges } from '../shared/nudges.ts';
import { executionHandlers } from './handlers.ts';

const env = readEnv('executions-api', process.env);
const api = await connectApi('executions-api', env);
const { pool } = api;
const nudges = openNudges(env, api.log);
const [{ tags }] = FUNCTIONS['executions-api'].triggers;
const deps = {
  ...api,
  hints: nudges.hints,
  tokens: createCallbackTokens(),
  programs: createPostgresPrograms(pool),
  executions: createExecutionAccess({
    ...api,
    readers: pool,
    partitions: createPartitions(pool),
    adopter: null,
  }),
};
const served = serveApi(api, tags, executionHandlers(deps), (token) =>
  authenticateToken(deps, token),
);

/** Starting, watching and operating executions; approvals and callbacks. */
export const handler = invoked(api, lambdaHandler(served), () => nudges.settled());
