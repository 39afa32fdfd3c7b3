import { readEnv } from '#config/env.ts';
import { FUNCTIONS } from '#config/functions.ts';
import { createApi } from '../api/create-api.ts';
import { connectApi } from '../shared/connect.ts';
import { lambdaHandler } from '../shared/lambda.ts';
import { openNudges, settling } from '../shared/nudges.ts';

const env = readEnv('executions-api', process.env);
const deps = await connectApi('executions-api', env);
const nudges = openNudges(env, deps.log);
const [{ tags }] = FUNCTIONS['executions-api'].triggers;
const api = createApi({ ...deps, hints: nudges.hints }, tags);

/** Starting, watching and operating executions; approvals and callbacks. */
export const handler = settling(nudges, lambdaHandler(api));
