import { createCallbackTokens } from '#adapters/local/callback-tokens.ts';
import { createExecutionAccess } from '#adapters/postgres/access.ts';
import { createPostgresBulkOperations } from '#adapters/postgres/bulk-operations.ts';
import { createDeadLetters } from '#adapters/postgres/dead-letters.ts';
import { createPartitions } from '#adapters/postgres/partitions.ts';
import { createPostgresPrograms } from '#adapters/postgres/programs.ts';
import { readEnv } from '#config/env.ts';
import { bulkRoutes } from '#contract/routes/bulk-operations.ts';
import { deadLetterRoutes } from '#contract/routes/dead-letters.ts';
import { approvalRoutes, callbackRoutes, executionRoutes } from '#contract/routes/executions.ts';
import { startRoutes } from '#contract/routes/starts.ts';
import { authenticateToken } from '#services/executions/callbacks.ts';
import { serveApi } from '../api/serve-api.ts';
import type { ServedBy } from '../shared/api.ts';
import { openEngineControl } from '../shared/ask-engines.ts';
import { connectApi, connectReaders } from '../shared/connect.ts';
import { deadLetterHandlers } from '../shared/dead-letter-handlers.ts';
import { openHints } from '../shared/hints.ts';
import { invoked } from '../shared/invoked.ts';
import { lambdaHandler } from '../shared/lambda.ts';
import { executionHandlers } from './handlers.ts';

const env = readEnv('executions-api', process.env);
const api = await connectApi('executions-api', env);
const readers = connectReaders(api, env);
const partitions = createPartitions(api.pool);
const { hints, settled } = openHints(api, env, { pool: api.pool, partitions });
const control = openEngineControl(api, env, { pool: api.pool, hints });
const tokens = createCallbackTokens();
const over = ({ pool, catalog }: Pick<typeof api, 'pool' | 'catalog'>) => ({
  ...api,
  catalog,
  hints,
  control,
  tokens,
  programs: createPostgresPrograms(pool, api.cache),
  bulk: createPostgresBulkOperations({ pool, codec: api.codec }),
  executions: createExecutionAccess({
    ...api,
    pool,
    readers: pool,
    partitions: createPartitions(pool),
    adopter: null,
  }),
});
const deps = over(api);
const deadLetters = createDeadLetters({
  pool: api.pool,
  partitions,
});
const handlers = { ...executionHandlers(deps), ...deadLetterHandlers({ ...api, deadLetters }) };
const served = serveApi<ServedBy<'executions-api'>>(
  api,
  {
    ...startRoutes,
    ...executionRoutes,
    ...approvalRoutes,
    ...callbackRoutes,
    ...bulkRoutes,
    ...deadLetterRoutes,
  },
  handlers,
  {
    authenticateToken: (token) => authenticateToken(deps, token),
    lagging: readers === null ? null : executionHandlers(over(readers)),
  },
);

/** Starting, watching and operating executions; approvals, callbacks and dead letters. */
export const handler = invoked(api, lambdaHandler(served), settled);
