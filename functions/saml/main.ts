import { createPostgresSignIns } from '#adapters/postgres/external-sign-in.ts';
import { createPostgresIdentityProviders } from '#adapters/postgres/identity-provider-store.ts';
import { createPostgresTenants } from '#adapters/postgres/tenant-store.ts';
import { createSamlAnswers } from '#adapters/saml/saml-answers.ts';
import { readEnv } from '#config/env.ts';
import { samlRoutes } from '#contract/routes/sso.ts';
import { createIdentityKey } from '#services/identity/identity-key.ts';
import { serveApi } from '../api/serve-api.ts';
import type { ServedBy } from '../shared/api.ts';
import { connectApi } from '../shared/connect.ts';
import { invoked } from '../shared/invoked.ts';
import { lambdaHandler } from '../shared/lambda.ts';
import { openPlatformKeys } from '../shared/platform-keys.ts';
import { openRecords } from '../shared/records.ts';
import { samlHandlers } from './handlers.ts';

const env = readEnv('saml-api', process.env);
const deps = await connectApi('saml-api', env);
const { pool, login } = deps;
const keys = await openPlatformKeys(deps, env.IDENTITY_KEY_SECRET);
const fresh = async () => void (await Promise.all([deps.fresh(), keys.fresh()]));
const handlers = samlHandlers({
  ...deps,
  providers: createPostgresIdentityProviders(pool),
  signIns: createPostgresSignIns(pool, login),
  tenants: createPostgresTenants(pool),
  key: createIdentityKey(keys),
  issuer: () => env.PUBLIC_URL,
  saml: createSamlAnswers({ ...deps, records: openRecords(deps, env, pool) }),
});

/** Answers of SAML: what reads XML of strangers reaches nobody, and knows no secret of a tenant. */
export const handler = invoked(
  { ...deps, fresh },
  lambdaHandler(serveApi<ServedBy<'saml-api'>>(deps, samlRoutes, handlers)),
);
