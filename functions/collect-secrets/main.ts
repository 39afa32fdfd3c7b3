import { collectSecrets } from '#adapters/postgres/collect-secrets.ts';
import { tellOldSecrets } from '#adapters/postgres/old-secrets.ts';
import { createPartitions } from '#adapters/postgres/partitions.ts';
import { readEnv } from '#config/env.ts';
import { openPools } from '../shared/database.ts';
import { invoked } from '../shared/invoked.ts';
import { createBasics } from '../shared/process.ts';
import { openTenantSecrets } from '../shared/secrets.ts';

const env = readEnv('collect-secrets', process.env);
const basics = createBasics('collect-secrets', env);
const pool = openPools(basics, env)('cloudflow_relay', 1);
const secrets = openTenantSecrets(basics, env);

const partitions = createPartitions(pool);

/** Deletes secrets that no connection names any more, and tells of those that were not changed for long. */
export const handler = invoked(
  basics,
  async (): Promise<{
    readonly deleted: number;
    readonly told: number;
  }> => {
    // First: a value that cannot be deleted keeps nobody from being told.
    const told = await tellOldSecrets({ ...basics, pool, partitions }, basics.clock.now());
    if (told > 0) basics.log.info('SECRETS_OLD', { count: told });
    const deleted = await collectSecrets({ pool, secrets, ids: basics.ids }, basics.clock.now());
    basics.log.info('SECRETS_COLLECTED', { count: deleted });
    return { deleted, told };
  },
);
