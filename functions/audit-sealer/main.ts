import { KMSClient } from '@aws-sdk/client-kms';
import { S3Client } from '@aws-sdk/client-s3';
import { guarded } from '#adapters/aws/guarded.ts';
import { createKmsSealer } from '#adapters/kms/sealer.ts';
import { createAuditSealer } from '#adapters/postgres/audit-sealer.ts';
import { createPartitions } from '#adapters/postgres/partitions.ts';
import { createSigningKeys } from '#adapters/postgres/signing-keys.ts';
import { createS3ObjectStore } from '#adapters/s3/object-store.ts';
import { readEnv } from '#config/env.ts';
import { METRICS } from '#config/metrics.ts';
import { sealAudit, signAuditHeads } from '#services/audit/seal.ts';
import { openPools } from '../shared/database.ts';
import { invoked } from '../shared/invoked.ts';
import { createBasics } from '../shared/process.ts';

const env = readEnv('audit-sealer', process.env);
const basics = createBasics('audit-sealer', env);
const pool = openPools(basics, env)('cloudflow_relay', 1);
const kms = createKmsSealer({
  client: guarded('keys', new KMSClient({}), basics),
  keyId: env.SIGNING_SEAL_KEY,
});
const deps = {
  sealer: createAuditSealer({ pool, partitions: createPartitions(pool) }),
  signingKeys: createSigningKeys({ pool, clock: basics.clock, sealer: kms }),
  archive: createS3ObjectStore({
    client: guarded('objects', new S3Client({}), basics),
    bucket: env.AUDIT_BUCKET,
  }),
  clock: basics.clock,
};

/** Takes what was told into the chains, and writes and signs what has been added. Safe to repeat. */
export const handler = invoked(
  basics,
  async (): Promise<{ readonly sealed: number; readonly signed: number }> => {
    const sealed = await sealAudit(deps);
    basics.metrics.add(METRICS.AuditSealed, {}, sealed);
    return { sealed, signed: await signAuditHeads(deps) };
  },
);
