import { randomBytes } from 'node:crypto';
import { KMSClient } from '@aws-sdk/client-kms';
import { createArgon2Hasher } from '#adapters/argon2/password-hasher.ts';
import { guarded } from '#adapters/aws/guarded.ts';
import { createKmsSealer } from '#adapters/kms/sealer.ts';
import { createOutboxPublisher } from '#adapters/postgres/outbox-publisher.ts';
import { createPartitions } from '#adapters/postgres/partitions.ts';
import { createSigningKeys } from '#adapters/postgres/signing-keys.ts';
import { readEnv } from '#config/env.ts';
import { auditRoutes } from '#contract/routes/audit.ts';
import { authRoutes } from '#contract/routes/auth.ts';
import { apiKeyRoutes, sessionRoutes } from '#contract/routes/credentials.ts';
import { roleRoutes, tenantRoutes, userRoutes } from '#contract/routes/users.ts';
import { serveApi } from '../api/serve-api.ts';
import { auditHandlers } from '../audit/handlers.ts';
import type { ServedBy } from '../shared/api.ts';
import { connectApi } from '../shared/connect.ts';
import { invoked } from '../shared/invoked.ts';
import { lambdaHandler } from '../shared/lambda.ts';
import { openPlatformKeys } from '../shared/platform-keys.ts';
import { openRecords } from '../shared/records.ts';
import { createIdentity } from './create-identity.ts';
import { createVerifier } from './create-verifier.ts';
import { identityHandlers } from './handlers.ts';

const env = readEnv('identity-api', process.env);
const deps = await connectApi('identity-api', env);
const { pool, login, clock, codec } = deps;
const sealer = createKmsSealer({
  client: guarded('keys', new KMSClient({}), deps),
  keyId: env.SIGNING_SEAL_KEY,
});
const signingKeys = createSigningKeys({ pool, clock, sealer });
const issuer = () => env.PUBLIC_URL;
const { accessTokens } = createVerifier({ ...deps, app: pool, signingKeys, issuer });
const keys = await openPlatformKeys(deps, env.IDENTITY_KEY_SECRET);
const fresh = async () => void (await Promise.all([deps.fresh(), keys.fresh()]));
const identity = createIdentity({
  app: pool,
  login,
  signingKeys,
  hasher: createArgon2Hasher(),
  keys,
  outbox: createOutboxPublisher({ pool, codec, partitions: createPartitions(pool), clock }),
  issuer,
  records: openRecords(deps, env, pool),
  clock,
  cache: deps.cache,
  randomBytes,
});

/** Who may do what: signing in, sessions, users, roles, tenants and API keys. */
export const handler = invoked(
  { ...deps, fresh },
  lambdaHandler(
    serveApi<ServedBy<'identity-api'>>(
      deps,
      {
        ...authRoutes,
        ...userRoutes,
        ...roleRoutes,
        ...tenantRoutes,
        ...apiKeyRoutes,
        ...sessionRoutes,
        ...auditRoutes,
      },
      {
        ...identityHandlers({ ...deps, ...identity, accessTokens }),
        ...auditHandlers({ trail: deps.auditTrail, cursors: deps.cursors }),
      },
    ),
  ),
);
