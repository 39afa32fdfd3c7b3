import { TAGS, type Tag } from '#contract/route.ts';
import { type OperationId, operationIds, routeOf } from '#contract/routes.ts';
import type { Runtime } from '#core/plan/program.ts';
import type { ApiKeys } from '#ports/api-keys.ts';
import type { CallbackTokens } from '#ports/callback-tokens.ts';
import type { Clock } from '#ports/clock.ts';
import type { ConnectionStore } from '#ports/connection-store.ts';
import type { ExecutionAccess } from '#ports/execution-store.ts';
import type { IdempotencyStore } from '#ports/idempotency-store.ts';
import type { Ids } from '#ports/ids.ts';
import type { Log } from '#ports/log.ts';
import type { Programs } from '#ports/programs.ts';
import type { RuntimeHints } from '#ports/runtime-hints.ts';
import type { Secrets } from '#ports/secrets.ts';
import type { WorkflowStore } from '#ports/workflow-store.ts';
import { authenticateToken } from '#services/executions/callbacks.ts';
import { createAuthenticate } from '#services/identity/authenticate.ts';
import { createCursors } from '#services/shared/cursor.ts';
import { createCatalog } from '#services/workflows/catalog.ts';
import { connectionHandlers } from '../connections/handlers.ts';
import { executionHandlers } from '../executions/handlers.ts';
import { platformHandlers } from '../platform/handlers.ts';
import type { ApiHandler, Handlers } from '../shared/api.ts';
import { createKeepAnswers } from '../shared/idempotency.ts';
import { createPipeline } from '../shared/pipeline.ts';
import { workflowHandlers } from '../workflows/handlers.ts';

export interface ApiDeps {
  readonly apiKeys: ApiKeys;
  readonly workflows: WorkflowStore;
  readonly connections: ConnectionStore;
  readonly secrets: Secrets;
  readonly executions: ExecutionAccess;
  readonly programs: Programs;
  readonly idempotency: IdempotencyStore;
  readonly tokens: Pick<CallbackTokens, 'hashOf'>;
  readonly hints: RuntimeHints;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly log: Log;
  /** At least 32 random bytes, the same in every process behind one address. */
  readonly cursorKey: Uint8Array;
  /** The runtimes of this installation, and what `auto` means where both can do it. */
  readonly runtimes: ReadonlySet<Runtime>;
  readonly preferredRuntime: Runtime;
  /** Dependencies that /readyz asks, by name. */
  readonly checks: Readonly<Record<string, () => Promise<void>>>;
  /** Where the API is reached from outside; null: not said. */
  readonly serverUrl?: string | null;
  /** Origins of web clients. Default none. */
  readonly allowedOrigins?: readonly string[];
  /** Check every answer against the contract: for tests. */
  readonly checkResponses?: boolean;
}

/** Idempotent in the transaction that accepts the execution, not around it. */
const KEEPS_OWN_KEY: ReadonlySet<OperationId> = new Set(['executeWorkflow', 'retryExecution']);

/** Connections are the one part that reads and writes secrets. */
type NeededFor<T extends Tag> = 'connections' extends T
  ? ApiDeps
  : Omit<ApiDeps, 'connections' | 'secrets'>;

/**
 * The API as one function from request to response: all of it, as the local server and tests run it,
 * or the part of the contract that one deployed function serves.
 */
export function createApi<T extends Tag = Tag>(
  given: NeededFor<T>,
  tags: readonly T[] = TAGS as readonly Tag[] as readonly T[],
): ApiHandler {
  // What a part does not serve it does not need: its handlers are not in the table below.
  const deps = given as ApiDeps;
  const { executions, clock } = deps;
  const shared = {
    clock,
    cursors: createCursors(deps.cursorKey),
    catalog: createCatalog(deps.workflows),
  };
  const executionDeps = {
    ...shared,
    executions,
    programs: deps.programs,
    tokens: deps.tokens,
    hints: deps.hints,
    ids: deps.ids,
    runtimes: deps.runtimes,
  };
  const all: Handlers = {
    ...workflowHandlers({
      ...shared,
      store: deps.workflows,
      preferred: deps.preferredRuntime,
    }),
    ...executionHandlers(executionDeps),
    ...connectionHandlers({ ...shared, store: deps.connections, secrets: deps.secrets }),
    ...platformHandlers({ checks: deps.checks, serverUrl: deps.serverUrl ?? null }),
  };
  const served = operationIds.filter((id) => tags.includes(routeOf(id).tag as T));
  return createPipeline({
    handlers: Object.fromEntries(served.map((id) => [id, all[id]])),
    authenticate: createAuthenticate({ apiKeys: deps.apiKeys, clock }),
    authenticateToken: (token) => authenticateToken(executionDeps, token),
    keepAnswers: createKeepAnswers({ store: deps.idempotency, clock }),
    keepsOwnKey: KEEPS_OWN_KEY,
    ids: deps.ids,
    log: deps.log,
    allowedOrigins: deps.allowedOrigins ?? [],
    checkResponses: deps.checkResponses ?? false,
  });
}
