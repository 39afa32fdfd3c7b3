import { readEnv } from '#config/env.ts';
import { createApi } from '../api/create-api.ts';
import { connect } from '../shared/connect.ts';
import { lambdaHandler } from '../shared/lambda.ts';

const deps = connect('workflows-api', readEnv('workflows-api', process.env));

/** Definitions and their versions, and what the platform says of itself. */
export const handler = lambdaHandler(createApi(deps, ['workflows', 'platform']));
