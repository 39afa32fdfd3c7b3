import { readEnv } from '#config/env.ts';
import { FUNCTIONS } from '#config/functions.ts';
import { createApi } from '../api/create-api.ts';
import { connectApi } from '../shared/connect.ts';
import { lambdaHandler } from '../shared/lambda.ts';

const deps = await connectApi('workflows-api', readEnv('workflows-api', process.env));
const [{ tags }] = FUNCTIONS['workflows-api'].triggers;

/** Definitions and their versions. */
export const handler = lambdaHandler(createApi(deps, tags));
