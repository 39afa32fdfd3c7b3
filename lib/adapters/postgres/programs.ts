import { LRUCache } from 'lru-cache';
import type { Pool } from 'pg';
import type { Program } from '#core/plan/program.ts';
import type { Programs } from '#ports/programs.ts';
import { withTenant } from './pool.ts';

/**
 * Programs of stored versions, deleted ones too: what runs keeps its version. Content-addressed, so
 * what was read once stays right; a miss is not kept, for a version may be stored a moment later.
 * `pool`: role `cloudflow_app`.
 */
export function createPostgresPrograms(
  pool: Pool,
  options: { readonly max?: number } = {},
): Programs {
  const known = new LRUCache<string, Program>({ max: options.max ?? 1_000 });
  const reading = new Map<string, Promise<Program | null>>();
  const read = (tenant: string, hash: string): Promise<Program | null> =>
    withTenant(pool, tenant, async (client) => {
      const { rows } = await client.query<{ program: Program }>(
        'select program from workflow_versions where tenant_id = $1 and program_hash = $2 limit 1',
        [tenant, hash],
      );
      return rows[0]?.program ?? null;
    });
  return {
    async find(tenant, programHash) {
      const name = `${tenant}/${programHash}`;
      const cached = known.get(name);
      if (cached !== undefined) return cached;
      let running = reading.get(name);
      if (running === undefined) {
        running = read(tenant, programHash).finally(() => reading.delete(name));
        reading.set(name, running);
      }
      const program = await running;
      if (program !== null) known.set(name, program);
      return program;
    },
  };
}
