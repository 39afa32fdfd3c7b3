import { randomBytes } from 'node:crypto';
import type { IdentityHandlerDeps } from '#functions/identity/handlers.ts';
import type { Clock } from '#ports/clock.ts';
import type { Ids } from '#ports/ids.ts';
import type { TenantMaker } from '#ports/users.ts';
import type { Auditor } from '#services/audit/auditor.ts';
import { createApiKey } from '#services/identity/create-api-key.ts';
import { makeFirstOwner } from '#services/users/first-owner.ts';
import type { StateFolder } from './state-folder.ts';

/** Who may use a local stack from its first start on. */
export interface FirstPeople {
  readonly tenant: string;
  readonly email: string;
  readonly password: string;
  /** Of mode test. */
  readonly apiKey: string;
}

const TENANT = 'local';
const ADMIN = 'admin@cloudflow.local';

/** The first tenant, its owner and an API key: made once, found again at every later start. */
export async function ensureFirstPeople(deps: {
  readonly maker: TenantMaker;
  readonly state: StateFolder;
  readonly identity: Pick<IdentityHandlerDeps, 'users' | 'hasher' | 'apiKeys' | 'oneTime'>;
  readonly auditor: Auditor;
  readonly clock: Clock;
  readonly ids: Ids;
}): Promise<FirstPeople> {
  const { state, clock, ids, identity, maker, auditor } = deps;
  const { adminPassword } = state.identity;
  const { tenant } = await makeFirstOwner(
    { ...identity, maker, auditor, clock, ids, randomBytes },
    {
      id: state.identity.tenant,
      slug: TENANT,
      name: TENANT,
      email: ADMIN,
      ownerName: 'Local administrator',
      password: adminPassword,
    },
  );
  let { apiKey } = state.identity;
  if (apiKey === null) {
    const made = await createApiKey(
      { apiKeys: identity.apiKeys, clock, randomBytes },
      {
        tenant,
        mode: 'test',
        name: TENANT,
        scopes: ['*'],
        workflows: null,
        requestsPerMinute: null,
        expiresAt: null,
      },
    );
    apiKey = made.text;
    await state.keepApiKey(apiKey);
  }
  return { tenant: TENANT, email: ADMIN, password: adminPassword, apiKey };
}
