import { openApiDocument } from '#contract/openapi.ts';
import { workflowJsonSchema } from '#core/dsl/json-schema.ts';
import { CloudFlowError } from '#core/errors.ts';
import type { Handlers, OperationsOf } from '../shared/api.ts';

export interface PlatformDeps {
  /** What must answer for the API to work, by name; each rejects or resolves within its own limit. */
  readonly checks: Readonly<Record<string, () => Promise<void>>>;
  readonly serverUrl: string | null;
}

export function platformHandlers(deps: PlatformDeps): Handlers<OperationsOf<'platform'>> {
  // Both are pure, so they are made once.
  const schema = workflowJsonSchema();
  const document = openApiDocument(deps.serverUrl === null ? {} : { serverUrl: deps.serverUrl });
  return {
    getWorkflowSchema: async () => ({ body: schema }),
    getOpenApi: async () => ({ body: document }),
    getHealth: async () => ({ body: { status: 'ok' } }),
    getReadiness: async () => {
      const names = Object.keys(deps.checks);
      const results = await Promise.allSettled(Object.values(deps.checks).map((check) => check()));
      const failed = results.findIndex((result) => result.status === 'rejected');
      if (failed !== -1) {
        const { reason } = results[failed] as PromiseRejectedResult;
        throw new CloudFlowError('UNAVAILABLE', `${names[failed]} does not answer`, {
          cause: reason,
        });
      }
      return {
        body: { status: 'ok', checks: Object.fromEntries(names.map((name) => [name, 'ok'])) },
      };
    },
  };
}
