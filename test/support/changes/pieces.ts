import { expect } from 'vitest';
import type { Home } from './home.ts';

export const LONG = { timeout: 60_000, interval: 50 };
export const NAP = { id: 'nap', type: 'wait', config: { duration: '1h' } } as const;
export const CALL = {
  id: 'call',
  type: 'http_request',
  config: { url: 'https://shop.example/' },
} as const;
export const ASK = {
  ...{ id: 'ask', type: 'callback' },
  config: { request: { url: 'https://shop.example/' }, timeout: '1h' },
} as const;
export const CONNECTION = {
  connection: {
    type: 'postgres',
    host: 'db.example.com',
    database: 'shop',
    login: { username: 'cloudflow', secret: 'shop-password' },
  },
  secrets: { 'shop-password': 'the value, once' },
} as const;
export const STATEMENT = { access: 'read', statement: 'select 1 as one' } as const;
export const PROVIDER = {
  name: 'okta',
  enabled: true,
  protocol: {
    kind: 'oidc',
    issuer: 'https://id.example.com',
    client_id: 'cloudflow',
    client_auth: 'client_secret_basic',
  },
  email_domains: ['example.com'] as string[],
  default_roles: ['viewer'] as string[],
  trusts_mfa: false,
  client_secret: 'a secret of the provider',
} as const;
export const SAML = ({ entityId, url, certificates }: Home['platform']['saml']) => ({
  ...{ name: 'corp', enabled: true, email_domains: ['example.com'], default_roles: ['viewer'] },
  trusts_mfa: false,
  protocol: {
    kind: 'saml' as const,
    entity_id: entityId,
    sso_url: url,
    certificates: [certificates.now],
    email_attribute: 'email',
    name_attribute: 'name',
  },
});
export const INVITATION = { email: 'grace@example.com', name: 'Grace Hopper', roles: ['viewer'] };
export const ROLE = { name: 'helper', about: 'helps', scopes: ['workflow:read'] } as {
  readonly name: string;
  readonly about: string;
  readonly scopes: 'workflow:read'[];
};
export const KEY = { name: 'ci', mode: 'live', scopes: ['workflow:read'] } as {
  readonly name: string;
  readonly mode: 'live';
  readonly scopes: 'workflow:read'[];
};

export function self({ id, token }: { readonly id: string; readonly token: string }) {
  return { credential: token, actor: `user:${id}` };
}

export async function callback(home: Home): Promise<string> {
  const execution_id = await home.execution(ASK);
  const { callbacks } = home.platform;
  const suspended = async () => {
    const { items } = await home.owner.listEvents({ execution_id });
    return callbacks.has(execution_id) && items.some(({ type }) => type === 'step_suspended');
  };
  await expect.poll(suspended, LONG).toBe(true);
  return callbacks.get(execution_id) as string;
}

export async function connection(home: Home): Promise<string> {
  await home.owner.createConnection({ body: { name: 'shop', ...CONNECTION } });
  return 'shop';
}

export async function operation(home: Home) {
  const of = await connection(home);
  await home.owner.createOperation({
    ...{ connection: of, body: { name: 'count-orders', ...STATEMENT } },
  });
  return { connection: of, operation: 'count-orders' };
}

export async function key(home: Home): Promise<string> {
  return (await home.owner.createApiKey({ body: KEY })).key.key_id;
}
