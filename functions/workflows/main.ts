import { createDefinitionChecks } from '#adapters/local/definition-checks.ts';
import { readEnv } from '#config/env.ts';
import { FUNCTIONS } from '#config/functions.ts';
import { serveApi } from '../api/serve-api.ts';
import { connectApi } from '../shared/connect.ts';
import { invoked } from '../shared/invoked.ts';
import { lambdaHandler } from '../shared/lambda.ts';
import { workflowHandlers } from './handlers.ts';

const deps = await connectApi('workflows-api', readEnv('workflows-api', process.env));
const [{ tags }] = FUNCTIONS['workflows-api'].triggers;
const handlers = workflowHandlers({
  ...deps,
  store: deps.workflows,
  checks: createDefinitionChecks(),
  preferred: deps.preferredRuntime,
});

/** Definitions and their versions. */
export const handler = invoked(deps, lambdaHandler(serveApi(deps, tags, handlers)));
