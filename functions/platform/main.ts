import { readEnv } from '#config/env.ts';
import { FUNCTIONS } from '#config/functions.ts';
import { createApi } from '../api/create-api.ts';
import { connectApi } from '../shared/connect.ts';
import { lambdaHandler } from '../shared/lambda.ts';

const deps = await connectApi('platform-api', readEnv('platform-api', process.env));
const [{ tags }] = FUNCTIONS['platform-api'].triggers;

/** What the platform says of itself. */
export const handler = lambdaHandler(createApi(deps, tags));
