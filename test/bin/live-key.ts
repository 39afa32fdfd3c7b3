import { randomBytes } from 'node:crypto';
import { createPostgresApiKeys } from '#adapters/postgres/api-keys.ts';
import { createApiKey } from '#services/identity/create-api-key.ts';
import type { PlatformWorld } from '#test/integration/platform-world.ts';
import type { TestDatabase } from '#test/support/database.ts';

/**
 * The option with a key for everything, of mode live: people, roles and settings are of no other. The
 * platform's own key is of mode test, and no second factor is asked of a key.
 */
export async function liveKey(
  world: PlatformWorld,
  database: TestDatabase,
): Promise<readonly string[]> {
  const { rows } = await database.admin.query<{ id: string }>(
    'select id from tenants where slug = $1',
    [world.platform.admin.tenant],
  );
  const apiKeys = createPostgresApiKeys(database.pool('cloudflow_app'));
  const { text } = await createApiKey(
    { apiKeys, clock: world.clock, randomBytes },
    {
      tenant: rows[0]?.id ?? '',
      mode: 'live',
      name: 'test',
      scopes: ['*'],
      workflows: null,
      expiresAt: null,
      requestsPerMinute: null,
    },
  );
  return ['--api-key', text];
}
