import { createDefinitionChecks } from '#adapters/local/definition-checks.ts';
import { readEnv } from '#config/env.ts';
import { limitRoutes } from '#contract/routes/limits.ts';
import { workflowRoutes } from '#contract/routes/workflows.ts';
import { serveApi } from '../api/serve-api.ts';
import type { ServedBy } from '../shared/api.ts';
import { connectApi, connectReaders } from '../shared/connect.ts';
import { invoked } from '../shared/invoked.ts';
import { lambdaHandler } from '../shared/lambda.ts';
import { workflowHandlers } from './handlers.ts';

const env = readEnv('workflows-api', process.env);
const deps = await connectApi('workflows-api', env);
const readers = connectReaders(deps, env);
const checks = createDefinitionChecks();
const handlersOver = (stores: Pick<typeof deps, 'workflows' | 'catalog'>) =>
  workflowHandlers({
    ...deps,
    ...stores,
    store: stores.workflows,
    checks,
    preferred: deps.preferredRuntime,
  });
const lagging = readers === null ? null : handlersOver(readers);

/** Definitions and their versions. */
export const handler = invoked(
  deps,
  lambdaHandler(
    serveApi<ServedBy<'workflows-api'>>(
      deps,
      { ...workflowRoutes, ...limitRoutes },
      handlersOver(deps),
      { lagging },
    ),
  ),
);
