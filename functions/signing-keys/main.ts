import { KMSClient } from '@aws-sdk/client-kms';
import { guarded } from '#adapters/aws/guarded.ts';
import { createKmsSealer } from '#adapters/kms/sealer.ts';
import { type Rotation, rotateSigningKeys } from '#adapters/postgres/rotate-signing-keys.ts';
import { readEnv } from '#config/env.ts';
import { openPools } from '../shared/database.ts';
import { invoked } from '../shared/invoked.ts';
import { createBasics } from '../shared/process.ts';

const env = readEnv('signing-keys', process.env);
const basics = createBasics('signing-keys', env);
const pool = openPools(basics, env)('cloudflow_relay', 1);
const sealer = createKmsSealer({
  client: guarded('keys', new KMSClient({}), basics),
  keyId: env.SIGNING_SEAL_KEY,
});

/** Makes the next key in time and deletes those whose tokens have expired. Safe to repeat. */
export const handler = invoked(basics, async (): Promise<Rotation> => {
  const rotation = await rotateSigningKeys({ pool, sealer, ids: basics.ids }, basics.clock.now());
  if (rotation.made !== null) basics.log.info('SIGNING_KEY_MADE');
  return rotation;
});
