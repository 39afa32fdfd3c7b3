import { randomBytes } from 'node:crypto';
import type { Pool } from 'pg';
import { createPostgresAuditTrail } from '#adapters/postgres/audit-trail.ts';
import { createPostgresIdempotencyStore } from '#adapters/postgres/idempotency-store.ts';
import { createSigningKeys } from '#adapters/postgres/signing-keys.ts';
import { createPostgresWorkflowStore } from '#adapters/postgres/workflow-store.ts';
import type { ProgramEnv } from '#config/env.ts';
import type { StartedBy } from '#config/functions.ts';
import type { Runtime } from '#core/plan/program.ts';
import type { AuditTrail } from '#ports/audit-trail.ts';
import type { Cache } from '#ports/cache.ts';
import type { WorkflowStore } from '#ports/workflow-store.ts';
import { type Cursors, createCursors } from '#services/shared/cursor.ts';
import { type Catalog, createCatalog } from '#services/workflows/catalog.ts';
import type { ServeDeps } from '../api/serve-api.ts';
import { createVerifier } from '../identity/create-verifier.ts';
import { openCache } from './cache.ts';
import { openPools } from './database.ts';
import { openPlatformKeys } from './platform-keys.ts';
import { type Basics, createBasics } from './process.ts';

/** What every deployed part of the API has, whatever it serves. */
export interface ApiProcess extends Omit<ServeDeps, keyof Basics>, Basics {
  readonly auditTrail: AuditTrail;
  /** Role `cloudflow_app`. */
  readonly pool: Pool;
  /** Role `cloudflow_login`. */
  readonly login: Pool;
  readonly cursors: Cursors;
  /** Sees to it that keys are those of this hour: before a request is looked at. */
  readonly fresh: () => Promise<void>;
  readonly workflows: WorkflowStore;
  readonly catalog: Catalog;
  readonly cache: Cache;
  readonly runtimes: ReadonlySet<Runtime>;
  readonly preferredRuntime: Runtime;
}

/** Stores over readers of the database, for routes whose answers may lag. */
export interface Readers {
  /** Role `cloudflow_app`, read-only. */
  readonly pool: Pool;
  readonly workflows: WorkflowStore;
  readonly catalog: Catalog;
}

/** A reader that does not take a connection by then is as good as away. */
const READER_CONNECT_MS = 1_000;

/** Null where the stage has no readers. */
export function connectReaders(
  basics: Basics & { readonly cache: Cache },
  env: { readonly DATABASE_READER_URL: string; readonly DATABASE_AUTH: string },
): Readers | null {
  const { DATABASE_READER_URL, DATABASE_AUTH } = env;
  if (DATABASE_READER_URL === '') return null;
  const open = openPools(basics, { DATABASE_URL: DATABASE_READER_URL, DATABASE_AUTH });
  const pool = open('cloudflow_app', 2, READER_CONNECT_MS);
  const workflows = createPostgresWorkflowStore({ ...basics, pool });
  return { pool, workflows, catalog: createCatalog(workflows, basics.cache, { mayLag: true }) };
}

/** A function serves one request at a time, so its pools are small. */
export async function connectApi(
  name: StartedBy<'http'>,
  env: ProgramEnv<'platform-api'> & { readonly CACHE_URL?: string; readonly CACHE_AUTH?: string },
): Promise<ApiProcess> {
  const basics = createBasics(name, env);
  // The API seals its cursors with keys that all of its functions share.
  const cursorKeys = await openPlatformKeys(basics, env.CURSOR_KEY_SECRET);
  const { rateLimiter, cache } = openCache(basics, env, cursorKeys);
  const open = openPools(basics, env);
  const pool = open('cloudflow_app', 4);
  const workflows = createPostgresWorkflowStore({ ...basics, pool });
  const login = open('cloudflow_login', 1);
  const issuer = () => env.PUBLIC_URL;
  // Without a sealer: tokens are verified here and none is made.
  const signingKeys = createSigningKeys({ pool, clock: basics.clock, sealer: null });
  return {
    ...basics,
    pool,
    workflows,
    login,
    ...createVerifier({ app: pool, login, signingKeys, issuer, ...basics }),
    auditTrail: createPostgresAuditTrail(pool),
    randomBytes,
    idempotency: createPostgresIdempotencyStore({ pool, codec: basics.codec }),
    cursors: createCursors(cursorKeys),
    fresh: () => cursorKeys.fresh(),
    catalog: createCatalog(workflows, cache),
    cache,
    runtimes: new Set<Runtime>(['engine', 'step_functions']),
    preferredRuntime: env.PREFERRED_RUNTIME === 'engine' ? 'engine' : 'step_functions',
    rateLimiter,
    allowedOrigins: env.ALLOWED_ORIGINS.split(',').filter((origin) => origin !== ''),
  };
}
