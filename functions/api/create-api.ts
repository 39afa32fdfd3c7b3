import { routes } from '#contract/routes.ts';
import type { Runtime } from '#core/plan/program.ts';
import type { AuditTrail } from '#ports/audit-trail.ts';
import type { BulkOperations } from '#ports/bulk-operations.ts';
import type { Cache } from '#ports/cache.ts';
import type { CallbackTokens } from '#ports/callback-tokens.ts';
import type { ConnectionStore } from '#ports/connection-store.ts';
import type { DeadLetters } from '#ports/dead-letters.ts';
import type { DefinitionChecks } from '#ports/definition-checks.ts';
import type { EngineControl } from '#ports/engine-control.ts';
import type { ExecutionAccess } from '#ports/execution-store.ts';
import type { SamlAnswers } from '#ports/identity-providers.ts';
import type { Programs } from '#ports/programs.ts';
import type { RuntimeHints } from '#ports/runtime-hints.ts';
import type { Secrets } from '#ports/secrets.ts';
import type { WorkflowStore } from '#ports/workflow-store.ts';
import { authenticateToken } from '#services/executions/callbacks.ts';
import { createCursors } from '#services/shared/cursor.ts';
import type { Keys } from '#services/shared/key-ring.ts';
import { createCatalog } from '#services/workflows/catalog.ts';
import { auditHandlers } from '../audit/handlers.ts';
import { connectionHandlers } from '../connections/handlers.ts';
import { executionHandlers } from '../executions/handlers.ts';
import { type IdentityHandlerDeps, identityHandlers } from '../identity/handlers.ts';
import { platformHandlers } from '../platform/handlers.ts';
import { samlHandlers } from '../saml/handlers.ts';
import type { ApiHandler } from '../shared/api.ts';
import { deadLetterHandlers } from '../shared/dead-letter-handlers.ts';
import type { createSso } from '../sso/create-sso.ts';
import { ssoHandlers } from '../sso/handlers.ts';
import { workflowHandlers } from '../workflows/handlers.ts';
import { type ServeDeps, serveApi } from './serve-api.ts';

export interface ApiDeps extends ServeDeps {
  readonly auditTrail: AuditTrail;
  readonly deadLetters: DeadLetters;
  readonly identity: Omit<IdentityHandlerDeps, 'clock' | 'ids' | 'cursors' | 'accessTokens'>;
  readonly sso: ReturnType<typeof createSso>;
  readonly saml: SamlAnswers;
  readonly accessTokens: IdentityHandlerDeps['accessTokens'];
  readonly workflows: WorkflowStore;
  readonly cache: Cache;
  readonly definitionChecks: DefinitionChecks;
  readonly connections: ConnectionStore;
  readonly secrets: Secrets;
  readonly executions: ExecutionAccess;
  readonly programs: Programs;
  readonly bulk: BulkOperations;
  /** The same over readers of the database; absent: there are none. */
  readonly readers?: Pick<ApiDeps, 'workflows' | 'executions' | 'programs'>;
  readonly tokens: Pick<CallbackTokens, 'hashOf'>;
  readonly hints: RuntimeHints;
  /** Absent or null: there are no engines elsewhere that could be asked. */
  readonly control?: EngineControl | null;
  /** What cursors are sealed with: the same in every process behind one address. */
  readonly cursorKeys: Keys;
  /** The runtimes of this installation, and what `auto` means where both can do it. */
  readonly runtimes: ReadonlySet<Runtime>;
  readonly preferredRuntime: Runtime;
  /** Dependencies that /readyz asks, by name. */
  readonly checks: Readonly<Record<string, () => Promise<void>>>;
  /** Where the API is reached from outside; left out: not said. */
  readonly serverUrl?: () => string;
}

/** All of the API in one process, as the local server and tests run it. */
export function createApi(deps: ApiDeps): ApiHandler {
  const { clock } = deps;
  const cursors = createCursors(deps.cursorKeys);
  /** What is read of definitions and executions, over these stores. */
  const over = (stores: NonNullable<ApiDeps['readers']>, mayLag: boolean) => {
    const catalog = createCatalog(stores.workflows, deps.cache, { mayLag });
    const shared = { clock, cursors, catalog };
    const executions = {
      ...shared,
      executions: stores.executions,
      programs: stores.programs,
      bulk: deps.bulk,
      tokens: deps.tokens,
      hints: deps.hints,
      control: deps.control ?? null,
      ids: deps.ids,
      runtimes: deps.runtimes,
    };
    const handlers = {
      ...workflowHandlers({
        ...shared,
        store: stores.workflows,
        checks: deps.definitionChecks,
        preferred: deps.preferredRuntime,
      }),
      ...executionHandlers(executions),
    };
    return { shared, executions, handlers };
  };
  const { shared, executions, handlers } = over(deps, false);
  return serveApi(
    deps,
    routes,
    {
      ...handlers,
      ...connectionHandlers({
        ...shared,
        ids: deps.ids,
        store: deps.connections,
        secrets: deps.secrets,
      }),
      ...identityHandlers({
        ...deps.identity,
        ...shared,
        ids: deps.ids,
        accessTokens: deps.accessTokens,
      }),
      ...ssoHandlers({
        ...deps.identity,
        ...deps.sso,
        ...shared,
        ids: deps.ids,
        accessTokens: deps.accessTokens,
        secrets: deps.secrets,
        allowedOrigins: deps.allowedOrigins ?? [],
        log: deps.log,
      }),
      ...samlHandlers({ ...deps.identity, ...deps.sso, ...deps, clock }),
      ...auditHandlers({ trail: deps.auditTrail, cursors }),
      ...deadLetterHandlers({ deadLetters: deps.deadLetters, cursors, clock }),
      ...platformHandlers({ checks: deps.checks, serverUrl: deps.serverUrl ?? (() => null) }),
    },
    {
      authenticateToken: (token) => authenticateToken(executions, token),
      lagging: deps.readers === undefined ? null : over(deps.readers, true).handlers,
    },
  );
}
