import { openApiDocument } from '#contract/openapi.ts';
import { workflowJsonSchema } from '#core/dsl/json-schema.ts';
import { CloudFlowError } from '#core/errors.ts';
import type { Handlers, OperationsOf } from '../shared/api.ts';
import { frontPage } from './front-page.ts';

export interface PlatformDeps {
  /** What must answer for the API to work, by name; each rejects or resolves within its own limit. */
  readonly checks: Readonly<Record<string, () => Promise<void>>>;
  /** Where the API is reached from outside; null: not said. */
  readonly serverUrl: () => string | null;
}

export function platformHandlers(deps: PlatformDeps): Handlers<OperationsOf<'platform'>> {
  // All are pure, so they are made once; a server knows where it listens only once it does.
  const schema = workflowJsonSchema();
  const document = onceFor(deps.serverUrl, (serverUrl) =>
    openApiDocument(serverUrl === null ? {} : { serverUrl }),
  );
  const page = onceFor(deps.serverUrl, (url) => frontPage((url ?? '').replace(/\/+$/, '')));
  return {
    getFrontPage: async () => ({ body: page().html, policy: page().policy }),
    getWorkflowSchema: async () => ({ body: schema }),
    getOpenApi: async () => ({ body: document() }),
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

/** What is made of a key, kept until the key is another. */
function onceFor<K, T>(keyNow: () => K, make: (key: K) => T): () => T {
  let made: { readonly key: K; readonly value: T } | null = null;
  return () => {
    const key = keyNow();
    if (made === null || made.key !== key) made = { key, value: make(key) };
    return made.value;
  };
}
