import { readEnv } from '#config/env.ts';
import { createApi } from '../api/create-api.ts';
import { connect } from '../shared/connect.ts';
import { lambdaHandler } from '../shared/lambda.ts';

const deps = connect('executions-api', readEnv('executions-api', process.env));

/** Starting, watching and operating executions; approvals and callbacks. */
export const handler = lambdaHandler(createApi(deps, ['executions', 'approvals', 'callbacks']));
