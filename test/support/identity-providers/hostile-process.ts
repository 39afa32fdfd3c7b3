import { createHmac, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * An identity provider that says whatever it is told to, in a process of its own. Every script has an
 * issuer of its own under its name, so that none disturbs another.
 */
export interface Script {
  /** Members of the discovery document to replace; null removes one. */
  readonly discovery?: Record<string, unknown>;
  readonly idToken?: {
    readonly header?: Record<string, unknown>;
    readonly claims?: Record<string, unknown>;
    readonly by?:
      | 'ours'
      | 'stranger'
      | 'nobody'
      | 'hmac-of-public-key'
      | 'hmac-of-secret'
      | 'sha512';
  } | null;
  /** Instead of what an endpoint would answer. */
  readonly at?: Partial<Record<'discovery' | 'jwks' | 'token' | 'me' | 'emails', Answer>>;
  readonly me?: unknown;
  readonly token?: Record<string, unknown>;
}

export interface Answer {
  readonly status?: number;
  readonly headers?: Record<string, string>;
  readonly body?: string;
  /** Bytes of a body that goes on and on. */
  readonly endless?: boolean;
  readonly never?: boolean;
}

const ours = generateKeyPairSync('rsa', { modulusLength: 2_048 });
const stranger = generateKeyPairSync('rsa', { modulusLength: 2_048 });
const scripts = new Map<string, Script>();
const hits = new Map<string, number>();

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

function idToken(issuer: string, { idToken: how, token }: Script): string {
  const now = Math.floor(Date.now() / 1_000);
  const header = { alg: 'RS256', typ: 'JWT', kid: 'one', ...how?.header };
  const claims = without({
    iss: issuer,
    aud: 'cloudflow',
    sub: 'somebody',
    iat: now,
    exp: now + 300,
    email: 'ada@example.com',
    email_verified: true,
    ...how?.claims,
  });
  const text = `${encode(header)}.${encode(claims)}`;
  const pem = createPublicKey(ours.privateKey).export({ format: 'pem', type: 'spki' }) as string;
  const secret = String(token?.['secret'] ?? 'the client secret');
  switch (how?.by ?? 'ours') {
    case 'nobody':
      return `${text}.`;
    case 'hmac-of-public-key':
      return `${text}.${createHmac('sha256', pem).update(text).digest('base64url')}`;
    case 'hmac-of-secret':
      return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
    case 'stranger':
      return `${text}.${sign('sha256', Buffer.from(text), stranger.privateKey).toString('base64url')}`;
    case 'sha512':
      return `${text}.${sign('sha512', Buffer.from(text), ours.privateKey).toString('base64url')}`;
    default:
      return `${text}.${sign('sha256', Buffer.from(text), ours.privateKey).toString('base64url')}`;
  }
}

function without(members: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== null));
}

function usual(issuer: string, where: string, script: Script): unknown {
  switch (where) {
    case 'discovery':
      return without({
        issuer,
        authorization_endpoint: `${issuer}/authorize`,
        token_endpoint: `${issuer}/token`,
        jwks_uri: `${issuer}/jwks`,
        userinfo_endpoint: `${issuer}/me`,
        response_types_supported: ['code'],
        subject_types_supported: ['public'],
        id_token_signing_alg_values_supported: ['RS256', 'none', 'HS256'],
        ...script.discovery,
      });
    case 'jwks':
      return {
        keys: [
          { ...ours.publicKey.export({ format: 'jwk' }), kid: 'one', alg: 'RS256', use: 'sig' },
        ],
      };
    case 'token':
      return without({
        access_token: 'an access token',
        token_type: 'Bearer',
        expires_in: 300,
        ...(script.idToken === null ? {} : { id_token: idToken(issuer, script) }),
        ...script.token,
        secret: null,
      });
    default:
      return script.me ?? { sub: 'somebody' };
  }
}

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const [, kind, name = '', ...rest] = (request.url ?? '').split('?', 1)[0]?.split('/') ?? [];
  if (kind === 'script') {
    scripts.set(name, JSON.parse(Buffer.concat(chunks).toString()) as Script);
    return void response.end();
  }
  if (kind === 'hits') return void response.end(String(hits.get(name) ?? 0));
  const script = scripts.get(name);
  const where =
    rest.join('/') === '.well-known/openid-configuration' ? 'discovery' : (rest[0] ?? '');
  hits.set(`${name}-${where}`, (hits.get(`${name}-${where}`) ?? 0) + 1);
  if (script === undefined) return void response.writeHead(404).end();
  const answer = script.at?.[where as 'token'];
  if (answer?.never === true) return;
  response.writeHead(answer?.status ?? 200, {
    'content-type': 'application/json',
    ...answer?.headers,
  });
  if (answer?.endless === true) {
    const more = setInterval(() => response.write(' '.repeat(65_536)), 1);
    response.on('close', () => clearInterval(more));
    return;
  }
  response.end(answer?.body ?? JSON.stringify(usual(`${origin}/a/${name}`, where, script)));
}

const server = createServer((request, response) => {
  serve(request, response).catch(() => response.destroy());
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
process.on('disconnect', () => process.exit(0));
process.send?.({ issuer: origin });
