import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Provider } from 'oidc-provider';

/**
 * An identity provider that does what the standards say, in a process of its own: `oidc-provider`, which is
 * certified. It asks nobody for a password: who signs in is in a cookie of the browser.
 */
export interface Account {
  readonly email?: string;
  readonly email_verified?: boolean;
  readonly name?: string;
  readonly amr?: readonly string[];
}

const accounts = JSON.parse(process.argv[2] ?? '{}') as Record<string, Account>;

const server = createServer();
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

const provider = new Provider(issuer, {
  features: {
    devInteractions: { enabled: false },
    registration: { enabled: true },
  },
  pkce: { required: () => true },
  claims: {
    openid: ['sub', 'amr'],
    auth_time: null,
    email: ['email', 'email_verified'],
    profile: ['name'],
  },
  // As most do: what the ID token may hold need not be asked for again.
  conformIdTokenClaims: false,
  acceptRequestObjectsWithoutTyp: false,
  clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'none'],
  interactions: { url: (_: unknown, { uid }: { uid: string }) => `/interaction/${uid}` },
  cookies: { keys: ['a key for tests'] },
  // Tests move our time, and not this one's.
  ttl: { Session: 600, Interaction: 600, Grant: 600, AccessToken: 600, IdToken: 86_400 },
  findAccount: (_: unknown, id: string) =>
    accounts[id] === undefined
      ? undefined
      : {
          accountId: id,
          claims: () => Promise.resolve({ ...accounts[id], sub: id, amr: undefined }),
        },
});

const handle = provider.callback();
server.on('request', (request, response) => {
  const uid = /^\/interaction\/([\w-]+)$/.exec(request.url ?? '')?.[1];
  if (uid === undefined) return void handle(request, response);
  const who = /(?:^|; )who=([\w-]+)/.exec(request.headers.cookie ?? '')?.[1] ?? '';
  void (async () => {
    const { params } = await provider.interactionDetails(request, response);
    if (accounts[who] === undefined) {
      const refusal = { error: 'access_denied', error_description: 'nobody is here' };
      await provider.interactionFinished(request, response, refusal);
      return;
    }
    const grant = new provider.Grant({ accountId: who, clientId: String(params['client_id']) });
    grant.addOIDCScope(String(params['scope']));
    const login = { accountId: who, amr: [...(accounts[who].amr ?? ['pwd'])] };
    await provider.interactionFinished(request, response, {
      login,
      consent: { grantId: await grant.save() },
    });
  })();
});

process.on('disconnect', () => process.exit(0));
process.send?.({ issuer });
