import { randomBytes } from 'node:crypto';
import pg from 'pg';
import type { IdentityHandlerDeps } from '#functions/identity/handlers.ts';
import type { Clock } from '#ports/clock.ts';
import type { Ids } from '#ports/ids.ts';
import { canonicalAddress } from '#services/identity/address.ts';
import { createApiKey } from '#services/identity/create-api-key.ts';
import { normalPassword } from '#services/identity/passwords.ts';
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
  /** Of the owner of the schema: no role of ours makes tenants. */
  readonly ownerUrl: string;
  readonly state: StateFolder;
  readonly identity: Pick<IdentityHandlerDeps, 'users' | 'hasher' | 'apiKeys'>;
  readonly clock: Clock;
  readonly ids: Ids;
}): Promise<FirstPeople> {
  const { state, clock } = deps;
  const { tenant, adminPassword } = state.identity;
  await ensureTenant(deps.ownerUrl, tenant, clock.now());
  await ensureAdmin(deps, tenant, adminPassword);
  let { apiKey } = state.identity;
  if (apiKey === null) {
    const made = await createApiKey(
      { apiKeys: deps.identity.apiKeys, clock, randomBytes },
      { tenant, mode: 'test', name: TENANT, scopes: ['*'], workflows: null, expiresAt: null },
    );
    apiKey = made.text;
    await state.keepApiKey(apiKey);
  }
  return { tenant: TENANT, email: ADMIN, password: adminPassword, apiKey };
}

async function ensureTenant(ownerUrl: string, tenant: string, now: number): Promise<void> {
  const client = new pg.Client({ connectionString: ownerUrl });
  await client.connect();
  try {
    // A database that was there before may hold a tenant of this name, which stays what it is.
    await client.query(
      `insert into tenants (id, slug, name, created_at) values ($1, $2, $2, to_timestamp($3))
       on conflict (id) do update set slug = $2 where tenants.slug like 'tenant-%'`,
      [tenant, TENANT, now / 1_000],
    );
  } finally {
    await client.end();
  }
}

async function ensureAdmin(
  { identity, clock, ids }: Parameters<typeof ensureFirstPeople>[0],
  tenant: string,
  password: string,
): Promise<void> {
  const address = canonicalAddress(ADMIN);
  if (address === null) throw new TypeError(`${ADMIN} is no address`);
  const now = clock.now();
  const known = await identity.users.findCredentials(tenant, address);
  if (known !== null && known.passwordHash !== null) return;
  const id = known?.id ?? ids.next(now);
  await identity.users.create({
    tenant,
    id,
    email: ADMIN,
    address,
    name: 'Local administrator',
    status: 'active',
    roles: ['owner'],
    emailVerifiedAt: now,
    now,
  });
  await identity.users.setPassword(
    tenant,
    id,
    await identity.hasher.hash(normalPassword(password)),
    now,
  );
}
