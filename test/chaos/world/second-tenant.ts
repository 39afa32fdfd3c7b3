/** What an operator does besides starting the platform: another tenant, with a key of its own. */
import { randomBytes } from 'node:crypto';
import { createIds } from '#adapters/local/ids.ts';
import { createSilentLog } from '#adapters/local/json-log.ts';
import { createSystemClock } from '#adapters/local/system-clock.ts';
import { createPostgresApiKeys } from '#adapters/postgres/api-keys.ts';
import { createPostgresAuditTrail } from '#adapters/postgres/audit-trail.ts';
import { createPostgresOneTimeTokens } from '#adapters/postgres/one-time-tokens.ts';
import { createPool } from '#adapters/postgres/pool.ts';
import type { Role } from '#adapters/postgres/roles.ts';
import { createTenantMaker } from '#adapters/postgres/tenant-maker.ts';
import { createPostgresUsers } from '#adapters/postgres/user-store.ts';
import { NO_METRICS } from '#ports/metrics.ts';
import { createAuditor } from '#services/audit/auditor.ts';
import { createApiKey } from '#services/identity/create-api-key.ts';
import { makeFirstOwner } from '#services/users/first-owner.ts';

export async function makeSecondTenant(
  url: string,
): Promise<{ readonly tenant: string; readonly apiKey: string }> {
  const log = createSilentLog();
  const [clock, ids, metrics] = [createSystemClock(), createIds(), NO_METRICS];
  const pool = (role: Role) => createPool({ url, role, max: 1, name: 'second tenant', log });
  const [app, relay] = [pool('cloudflow_app'), pool('cloudflow_relay')];
  try {
    const trail = createPostgresAuditTrail(app);
    const { tenant } = await makeFirstOwner(
      {
        users: createPostgresUsers(app),
        oneTime: createPostgresOneTimeTokens(app),
        maker: createTenantMaker(relay),
        auditor: createAuditor({ trail, clock, ids, log, metrics, randomBytes }),
        ...{ hasher: null, clock, ids, randomBytes },
      },
      { slug: 'second', name: 'second', email: 'second@cloudflow.local', ownerName: null },
    );
    const made = await createApiKey(
      { apiKeys: createPostgresApiKeys(app), clock, randomBytes },
      {
        ...{ tenant, mode: 'test', name: 'second', scopes: ['*'], workflows: null },
        ...{ requestsPerMinute: null, expiresAt: null },
      },
    );
    return { tenant, apiKey: made.text };
  } finally {
    await Promise.all([app.end(), relay.end()]);
  }
}
