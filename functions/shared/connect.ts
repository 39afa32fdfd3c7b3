import { createCallbackTokens } from '#adapters/local/callback-tokens.ts';
import { createExecutionAccess } from '#adapters/postgres/access.ts';
import { createPostgresApiKeys } from '#adapters/postgres/api-keys.ts';
import { createPostgresConnections } from '#adapters/postgres/connection-store.ts';
import { createPostgresIdempotencyStore } from '#adapters/postgres/idempotency-store.ts';
import { createPartitions } from '#adapters/postgres/partitions.ts';
import { createPostgresPrograms } from '#adapters/postgres/programs.ts';
import { createPostgresWorkflowStore } from '#adapters/postgres/workflow-store.ts';
import type { ProgramEnv } from '#config/env.ts';
import type { StartedBy } from '#config/functions.ts';
import type { Runtime } from '#core/plan/program.ts';
import type { ConnectionStore } from '#ports/connection-store.ts';
import type { RuntimeHints } from '#ports/runtime-hints.ts';
import type { ApiDeps } from '../api/create-api.ts';
import { createBasics, openPools, platformSecret } from './process.ts';

/** Nobody to tell: the runtimes find what is stored by looking. */
const NO_HINTS: RuntimeHints = { accepted: () => undefined, signalled: () => undefined };
/** The API seals its cursors with a key that every one of its functions shares. */
const CURSOR_KEY_BYTES = 32;

export interface ApiProcess extends Omit<ApiDeps, 'secrets'> {
  readonly connections: ConnectionStore;
}

/** The adapters of a deployed API function, which serves one request at a time: its pools are small. */
export async function connectApi(
  name: StartedBy<'http'>,
  env: ProgramEnv<'workflows-api'>,
): Promise<ApiProcess> {
  const basics = createBasics(name);
  const { clock, codec, ids, log } = basics;
  const cursorKey = Buffer.from(await platformSecret(env.CURSOR_KEY_SECRET), 'base64');
  if (cursorKey.byteLength < CURSOR_KEY_BYTES) {
    throw new TypeError(`the key of cursors has ${cursorKey.byteLength} bytes; use at least 32`);
  }
  const open = openPools(basics, env);
  const pool = open('cloudflow_app', 4);
  return {
    apiKeys: createPostgresApiKeys(open('cloudflow_login', 1)),
    workflows: createPostgresWorkflowStore(pool),
    connections: createPostgresConnections(pool),
    executions: createExecutionAccess({
      pool,
      readers: pool,
      codec,
      ids,
      partitions: createPartitions(pool),
      adopter: null,
    }),
    programs: createPostgresPrograms(pool),
    idempotency: createPostgresIdempotencyStore({ pool, codec }),
    tokens: createCallbackTokens(),
    hints: NO_HINTS,
    clock,
    ids,
    log,
    cursorKey,
    runtimes: new Set<Runtime>(['engine', 'step_functions']),
    preferredRuntime: env.PREFERRED_RUNTIME === 'engine' ? 'engine' : 'step_functions',
    checks: { postgres: async () => void (await pool.query('select 1')) },
    serverUrl: env.PUBLIC_URL,
    allowedOrigins: env.ALLOWED_ORIGINS.split(',').filter((origin) => origin !== ''),
  };
}
