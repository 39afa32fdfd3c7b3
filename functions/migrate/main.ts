import { giveLogins } from '#adapters/postgres/logins.ts';
import { migrate } from '#adapters/postgres/migrate.ts';
import { DATABASE_ROLES } from '#config/capabilities.ts';
import { readEnv } from '#config/env.ts';
import { isIam, ownerUrl } from '../shared/database.ts';
import { invoked } from '../shared/invoked.ts';
import { createBasics } from '../shared/process.ts';

const env = readEnv('migrate', process.env);
const basics = createBasics('migrate', env);

/** Brings the schema forward. Safe to repeat; rejects, and so fails the deployment, when it cannot. */
export const handler = invoked(basics, async () => {
  const url = await ownerUrl(basics, env);
  const applied = await migrate(url);
  if (isIam(env.DATABASE_AUTH)) await giveLogins(url, DATABASE_ROLES);
  basics.log.info('MIGRATED', { applied });
  return { applied };
});
