import { collectSecrets } from '#adapters/postgres/collect-secrets.ts';
import { readEnv } from '#config/env.ts';
import { openPools } from '../shared/database.ts';
import { invoked } from '../shared/invoked.ts';
import { createBasics } from '../shared/process.ts';
import { openTenantSecrets } from '../shared/secrets.ts';

const env = readEnv('collect-secrets', process.env);
const basics = createBasics('collect-secrets', env);
const pool = openPools(basics, env)('cloudflow_relay', 1);
const secrets = openTenantSecrets(basics, env);

/** Deletes secrets that no connection names any more. */
export const handler = invoked(basics, async (): Promise<{ readonly deleted: number }> => {
  const deleted = await collectSecrets({ pool, secrets, ids: basics.ids }, basics.clock.now());
  basics.log.info('SECRETS_COLLECTED', { count: deleted });
  return { deleted };
});
