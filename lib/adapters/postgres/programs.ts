import type { Pool } from 'pg';
import { CACHES } from '#config/caches.ts';
import type { Program } from '#core/plan/program.ts';
import type { Cache } from '#ports/cache.ts';
import type { Programs } from '#ports/programs.ts';
import { readTenant } from './pool.ts';

/**
 * Programs of stored versions, deleted ones too: what runs keeps its version. Content-addressed, so
 * what was read once stays right; a miss is not kept, for a version may be stored a moment later.
 * `pool`: role `cloudflow_app`.
 */
export function createPostgresPrograms(pool: Pool, cache: Cache): Programs {
  const kept = cache.of<Program>(CACHES.program);
  return {
    find: (tenant, programHash) =>
      kept.read({ tenant, parts: [programHash] }, () =>
        readTenant(pool, tenant, async (client) => {
          const { rows } = await client.query<{ program: Program }>(
            'select program from workflow_versions where tenant_id = $1 and program_hash = $2 limit 1',
            [tenant, programHash],
          );
          return rows[0]?.program ?? null;
        }),
      ),
  };
}
