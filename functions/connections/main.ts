import { readEnv } from '#config/env.ts';
import { FUNCTIONS } from '#config/functions.ts';
import { createApi } from '../api/create-api.ts';
import { connectApi } from '../shared/connect.ts';
import { lambdaHandler } from '../shared/lambda.ts';
import { openTenantSecrets } from '../shared/secrets.ts';

const env = readEnv('connections-api', process.env);
const deps = { ...(await connectApi('connections-api', env)), secrets: openTenantSecrets(env) };
const [{ tags }] = FUNCTIONS['connections-api'].triggers;

/** Connections to other systems, their operations and secrets. */
export const handler = lambdaHandler(createApi(deps, tags));
