import { randomUUID } from 'node:crypto';
import type { Pool } from 'pg';
import { createIds } from '#adapters/local/ids.ts';
import { bodyType } from '#contract/route.ts';
import { type OperationId, routeOf } from '#contract/routes.ts';
import type { Json } from '#core/json.ts';
import type { Thing } from '#core/naming.ts';
import { BODIES, bodyText, pathOf, QUERIES } from './example-requests.ts';
import { PEOPLES_PASSWORD } from './furnished-people.ts';
import type { Furnished, Names } from './furnished-tenant.ts';
import { type Member, membersOf, withText } from './named-members.ts';
import { rowsOf } from './two-tenants.ts';

export interface Asked {
  readonly operation: OperationId;
  readonly params: Readonly<Record<string, string>>;
  readonly query: string;
  readonly body: Json | undefined;
}

export interface Told {
  readonly status: number;
  readonly code: string | null;
  readonly text: string;
  readonly headers: Headers;
}

/** A request of the tenant about what is its own. */
export function askedBy(operation: OperationId, { names, colleague }: Furnished): Asked {
  const members = membersOf(operation).filter(({ place }) => place === 'params');
  const params = Object.fromEntries(
    members.map(({ path, thing }) => [path[0] ?? '', names[thing as keyof Names]]),
  );
  if (SAML.has(operation)) params['provider'] = colleague.provider;
  const body = { ...BODIES, ...bodiesOf(names) }[operation as keyof typeof BODIES];
  return { operation, params, query: (QUERIES[operation] ?? '').replace(/^\?/, ''), body };
}

const SAML: ReadonlySet<OperationId> = new Set(['finishSamlSignIn', 'getSamlMetadata']);

const MAKERS = [
  'createConnection',
  'createOperation',
  'createRole',
  'createIdentityProvider',
] as const;

/** What only the tenant itself can say so that it counts. */
function bodiesOf(names: Names): Partial<Record<keyof typeof BODIES, Json>> {
  const who = { tenant: names.tenant_name, email: names.address };
  const name = `mine-${randomUUID().slice(0, 8)}`;
  return {
    ...Object.fromEntries(MAKERS.map((id) => [id, { ...(BODIES[id] as object), name }])),
    login: { ...who, password: PEOPLES_PASSWORD },
    forgotPassword: who,
    changeAddress: { email: 'elsewhere@example.com', current_password: PEOPLES_PASSWORD },
    inviteUser: { email: `${name}@example.com`, roles: [names.role] },
    createApiKey: { name: 'mine', mode: 'live', scopes: ['workflow:read'] },
  };
}

/** The same request with another name at one place. */
export function naming(asked: Asked, { place, path }: Member, name: string): Asked {
  if (place === 'body') return { ...asked, body: withText(asked.body, path, name) };
  const member = path[0] ?? '';
  if (place === 'params') return { ...asked, params: { ...asked.params, [member]: name } };
  const query = new URLSearchParams(asked.query);
  query.set(member, name);
  return { ...asked, query: query.toString() };
}

/** `credential`: null for who has none. */
export async function ask(
  url: string,
  { operation, params, query, body }: Asked,
  credential: string | null,
  headers: Readonly<Record<string, string>> = {},
): Promise<Told> {
  const route = routeOf(operation);
  const encoded = Object.entries(params).map(([name, value]) => [name, encodeURIComponent(value)]);
  const path = pathOf(operation, Object.fromEntries(encoded));
  const response = await fetch(`${url}${path}${query === '' ? '' : `?${query}`}`, {
    method: route.method,
    redirect: 'manual',
    headers: {
      ...(credential === null ? {} : { authorization: `Bearer ${credential}` }),
      ...(body === undefined ? {} : { 'content-type': bodyType(route) }),
      ...(route.ifMatch === undefined ? {} : { 'if-match': '*' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: bodyText(operation, body) }),
  });
  const text = await response.text();
  const { code = null } = (text.startsWith('{') ? JSON.parse(text) : {}) as { code?: string };
  return { status: response.status, code, text, headers: response.headers };
}

/** What is left of an answer when what was asked for, and what is new in each, is taken out. */
export function without({ status, code, text }: Told, given: string): object {
  const same = spared(text, given)
    .replaceAll(UUID, '<id>')
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<at>');
  return { status, code, same };
}

/** Names are echoed in refusals, and what stands behind a colon alone, too. */
function spared(text: string, given: string): string {
  const parts = given === '' ? [] : [given, given.slice(given.indexOf(':') + 1)];
  return parts.reduce(
    (left, part) => left.replaceAll(JSON.stringify(part).slice(1, -1), '<given>'),
    text,
  );
}

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;

/** Every id that one tenant has and the other has not, and the word of its names. */
export async function wordsOf(admin: Pool, of: Furnished, other: Furnished): Promise<Set<string>> {
  const ids = async (tenant: string) =>
    new Set((await rowsOf(admin, tenant)).join('\n').match(UUID) ?? []);
  const others = await ids(other.tenant);
  const own = [...(await ids(of.tenant))].filter((id) => !others.has(id));
  return new Set([of.word, of.names.api_key, ...own]);
}

/** What an answer says that only the other tenant knows, but for what was asked with. */
export function told({ text, headers }: Told, words: ReadonlySet<string>, given = ''): string[] {
  const kept = [...headers].filter(([name]) => !name.startsWith('x-')).map(String);
  const all = spared([text, ...kept].join('\n'), given);
  return [...words].filter((word) => all.includes(word));
}

const ids = createIds();
const id = () => ids.next(Date.now());
const proof = (kind: string) => `${kind}_${'Z'.repeat(43)}`;

/** Names of the right form of what nobody has. */
export const NOWHERE: { readonly [T in Exclude<Thing, 'cursor'>]: () => string } = {
  tenant: id,
  tenant_name: () => 'nowhere-home',
  workflow: () => 'nowhere-flow',
  version: () => '9.9.9',
  execution: id,
  bulk_operation: id,
  approval: id,
  label: () => 'team:nowhere',
  words: () => 'nowhere',
  connection: () => 'nowhere-shop',
  connection_operation: () => 'nowhere-count',
  secret: () => 'nowhere-password',
  user: id,
  address: () => 'nowhere.second@example.com',
  role: () => 'nowhere-helper',
  api_key: () => 'Nowhere0',
  session: id,
  provider: () => 'nowhere-corp',
  email_domain: () => 'nowhere.example.com',
  dead_letter: id,
  fingerprint: () => 'f'.repeat(16),
  audit_name: () => `user:${id()}`,
  callback_token: () => proof('cfcb'),
  refresh_token: () => proof('cfr'),
  mfa_token: () => proof('cfm'),
  device_token: () => proof('cfd'),
  address_token: () => proof('cfe'),
  reset_token: () => proof('cfp'),
  invitation_token: () => proof('cfi'),
  sign_in_state: () => proof('cfs'),
  sign_in_code: () => proof('cfo'),
};
