import { KMSClient } from '@aws-sdk/client-kms';
import { guarded } from '#adapters/aws/guarded.ts';
import { createDnsResolver } from '#adapters/http/dns-resolver.ts';
import { createEgressGuard } from '#adapters/http/egress-guard.ts';
import { createNodeHttp } from '#adapters/http/node-http.ts';
import { createKmsSealer } from '#adapters/kms/sealer.ts';
import { createPostgresLoginGuard } from '#adapters/postgres/login-guard.ts';
import { createPostgresOneTimeTokens } from '#adapters/postgres/one-time-tokens.ts';
import { createPostgresRoles } from '#adapters/postgres/role-store.ts';
import { createPostgresSessions } from '#adapters/postgres/session-store.ts';
import { createSigningKeys } from '#adapters/postgres/signing-keys.ts';
import { createPostgresTenants } from '#adapters/postgres/tenant-store.ts';
import { createPostgresUsers } from '#adapters/postgres/user-store.ts';
import { readEgressPolicy } from '#config/egress.ts';
import { readEnv } from '#config/env.ts';
import { identityProviderRoutes, ssoRoutes } from '#contract/routes/sso.ts';
import { createIdentityKey } from '#services/identity/identity-key.ts';
import { serveApi } from '../api/serve-api.ts';
import { createVerifier } from '../identity/create-verifier.ts';
import type { ServedBy } from '../shared/api.ts';
import { connectApi } from '../shared/connect.ts';
import { invoked } from '../shared/invoked.ts';
import { lambdaHandler } from '../shared/lambda.ts';
import { openPlatformKeys } from '../shared/platform-keys.ts';
import { openTenantSecrets } from '../shared/secrets.ts';
import { createSso } from './create-sso.ts';
import { ssoHandlers } from './handlers.ts';

const env = readEnv('sso-api', process.env);
const deps = await connectApi('sso-api', env);
const { pool, login, clock } = deps;
const sealer = createKmsSealer({
  client: guarded('keys', new KMSClient({}), deps),
  keyId: env.SIGNING_SEAL_KEY,
});
const signingKeys = createSigningKeys({ pool, clock, sealer });
const issuer = () => env.PUBLIC_URL;
const { accessTokens } = createVerifier({ ...deps, app: pool, signingKeys, issuer });
const egress = readEgressPolicy(env);
const guard = createEgressGuard({ policy: egress, resolver: createDnsResolver() });

const keys = await openPlatformKeys(deps, env.IDENTITY_KEY_SECRET);
const fresh = async () => void (await Promise.all([deps.fresh(), keys.fresh()]));

/** Signing in elsewhere: apart from the rest of identity, since it alone reaches where tenants say. */
export const handler = invoked(
  { ...deps, fresh },
  lambdaHandler(
    serveApi<ServedBy<'sso-api'>>(
      deps,
      { ...ssoRoutes, ...identityProviderRoutes },
      ssoHandlers({
        ...deps,
        ...createSso({
          ...deps,
          app: pool,
          login,
          http: createNodeHttp({ guard }),
          egress,
        }),
        users: createPostgresUsers(pool),
        roles: createPostgresRoles(pool),
        tenants: createPostgresTenants(pool),
        sessions: createPostgresSessions(pool, login),
        oneTime: createPostgresOneTimeTokens(pool),
        guard: createPostgresLoginGuard(login),
        key: createIdentityKey(keys),
        secrets: openTenantSecrets(deps, env),
        accessTokens,
        issuer,
        allowedOrigins: deps.allowedOrigins ?? [],
      }),
    ),
  ),
);
