import { createCallbackTokens } from '#adapters/local/callback-tokens.ts';
import { createIds } from '#adapters/local/ids.ts';
import { createJsonLog } from '#adapters/local/json-log.ts';
import { createSystemClock } from '#adapters/local/system-clock.ts';
import { createExecutionAccess } from '#adapters/postgres/access.ts';
import { createPostgresApiKeys } from '#adapters/postgres/api-keys.ts';
import { createPostgresIdempotencyStore } from '#adapters/postgres/idempotency-store.ts';
import { createPartitions } from '#adapters/postgres/partitions.ts';
import { createPlainCodec } from '#adapters/postgres/payload-codec.ts';
import { createPool } from '#adapters/postgres/pool.ts';
import { createPostgresPrograms } from '#adapters/postgres/programs.ts';
import { createPostgresWorkflowStore } from '#adapters/postgres/workflow-store.ts';
import type { FunctionEnv } from '#config/env.ts';
import type { Runtime } from '#core/plan/program.ts';
import type { ApiDeps } from '../api/create-api.ts';

/**
 * The adapters of a deployed API function. One function instance serves one request at a time, so
 * its pool is small; hints are left to the outbox, which tells the runtimes of everything anyway.
 */
export function connect(
  name: string,
  env: FunctionEnv<'workflows-api'>,
): Omit<ApiDeps, 'connections' | 'secrets'> {
  const clock = createSystemClock();
  const log = createJsonLog({
    write: (line) => void process.stdout.write(`${line}\n`),
    level: 'info',
    time: () => new Date(clock.now()).toISOString(),
  }).with({ function: name });
  const ids = createIds();
  const codec = createPlainCodec();
  const pool = createPool({ url: env.DATABASE_URL, role: 'cloudflow_app', max: 4, name, log });
  return {
    apiKeys: createPostgresApiKeys(pool),
    workflows: createPostgresWorkflowStore(pool),
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
    hints: { accepted: () => {}, signalled: () => {} },
    clock,
    ids,
    log,
    cursorKey: Buffer.from(env.CURSOR_KEY, 'base64'),
    runtimes: new Set<Runtime>(['engine', 'step_functions']),
    preferredRuntime: env.PREFERRED_RUNTIME === 'engine' ? 'engine' : 'step_functions',
    checks: { postgres: async () => void (await pool.query('select 1')) },
    serverUrl: env.PUBLIC_URL,
    allowedOrigins: env.ALLOWED_ORIGINS.split(',').filter((origin) => origin !== ''),
  };
}
