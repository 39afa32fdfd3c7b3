import { createHash } from 'node:crypto';
import { expect } from 'vitest';
import type { Json } from '#core/json.ts';
import type { Thing } from '#core/naming.ts';
import type { TestApi } from './api.ts';
import type { TestDatabase } from './database.ts';
import { BODIES, PROVIDER } from './example-requests.ts';
import { furnishPeople } from './furnished-people.ts';
import { furnishWork } from './furnished-work.ts';
import type { People } from './people.ts';
import { postingTo } from './posting.ts';
import { makeCertificate } from './saml/certificate.ts';

/** A tenant that has at least two of everything, and a word of its own in all that can be named. */
export interface Furnished {
  readonly tenant: string;
  readonly word: string;
  /** Of its owner, who may do everything. */
  readonly token: string;
  /** May do everything that needs no user. */
  readonly key: string;
  /** The same in mode test. */
  readonly testKey: string;
  /** Another user: an access token, and what is theirs. */
  readonly colleague: {
    readonly token: string;
    readonly session: string;
    /** They alone are known through it. */
    readonly provider: string;
  };
  /** One of each kind; of cursors there is one for each list. */
  readonly names: Names;
  /** Of the browser that began `sign_in_state`. */
  readonly cookie: string;
}

export type Names = { readonly [T in Exclude<Thing, 'cursor'>]: string };

export interface Furnisher {
  readonly api: TestApi;
  readonly database: TestDatabase;
  readonly people: People;
}

/** What engines do for tenants that are furnished: the API is started with it. */
export const PERFORMER = {
  call: () => Promise.resolve({ ok: true, output: {}, compensation: null } as const),
  compensate: () => Promise.resolve({ ok: true } as const),
};

let certificate: string | null = null;

/** `word`: letters and digits, of this tenant alone. */
export async function furnish(deps: Furnisher, word: string): Promise<Furnished> {
  const { api, database, people } = deps;
  const { tenant } = await people.tenant();
  const slug = `${word}-home`;
  await database.admin.query('update tenants set slug = $2 where id = $1', [tenant, slug]);
  const key = await api.createKey(tenant, ['*']);
  await api.client(key).updateTenant({
    ...{ tenant_id: tenant, ifMatch: '*' },
    body: { name: `home of ${word}`, settings: { mfa: 'off' } },
  });
  const work = await furnishWork(deps, tenant, word, key);
  const who = await furnishPeople(deps, tenant, word, slug, key);
  await furnishProviders(deps, tenant, word, key, [who.owner, who.names.user]);
  const state = await begin(deps, slug, word);
  const code = await answered(deps, `${slug}/${word}-saml`, await begin(deps, slug, word));
  return {
    ...{ tenant, word, key, token: who.token, cookie: state.cookie },
    testKey: await api.createKey(tenant, ['*'], { mode: 'test' }),
    colleague: { ...who.colleague, provider: `${word}-saml` },
    names: {
      ...{ tenant, tenant_name: slug, ...work, ...who.names },
      ...{ provider: `${word}-corp`, email_domain: `${word}.example.com` },
      ...{ api_key: key.slice(9, 17), sign_in_state: state.text, sign_in_code: code },
    },
  };
}

/** Two: through the first both users are known, through the second the second alone. */
async function furnishProviders(
  { api, database }: Furnisher,
  tenant: string,
  word: string,
  key: string,
  users: readonly string[],
): Promise<void> {
  certificate ??= makeCertificate('idp.example.com').certificate;
  const saml = {
    kind: 'saml',
    entity_id: 'https://idp.example.com/metadata',
    sso_url: 'https://idp.example.com/sso',
    certificates: [certificate],
    email_attribute: 'email',
  };
  const common = { ...PROVIDER, email_domains: [`${word}.example.com`] };
  for (const body of [
    { ...common, name: `${word}-corp`, client_secret: `${word}-secret` },
    { ...common, name: `${word}-saml`, protocol: saml },
  ]) {
    const post = postingTo(api.server.url);
    const made = await post('/identity-providers', body as Json, { token: key });
    expect(made).toMatchObject({ status: 201 });
    for (const user of body.name.endsWith('-corp') ? users : users.slice(1)) {
      await database.admin.query(
        `insert into external_identities (tenant_id, provider_id, subject, user_id, linked_at)
         select $1, id, $3, $4, now() from identity_providers where tenant_id = $1 and name = $2`,
        [tenant, body.name, `${word}-${user}`, user],
      );
    }
  }
}

interface State {
  readonly text: string;
  readonly cookie: string;
}

/** Of whoever knows the verifier in the example bodies. */
async function begin({ api }: Furnisher, slug: string, word: string): Promise<State> {
  const { code_verifier } = BODIES.exchangeSignIn as { readonly code_verifier: string };
  const query = new URLSearchParams({
    return_to: 'http://127.0.0.1:1/callback',
    code_challenge: createHash('sha256').update(code_verifier).digest('base64url'),
  });
  const url = `${api.server.url}/api/v1/auth/sso/${slug}/${word}-saml?${query}`;
  const response = await fetch(url, { redirect: 'manual' });
  expect(response.status).toBe(303);
  const location = new URL(response.headers.get('location') ?? '');
  const cookie = (response.headers.get('set-cookie') ?? '').split(';', 1)[0] ?? '';
  return { text: location.searchParams.get('RelayState') ?? '', cookie };
}

/** The code by which who began is told what became of it. */
async function answered({ api }: Furnisher, path: string, state: State): Promise<string> {
  const response = await fetch(`${api.server.url}/api/v1/auth/sso/${path}/acs`, {
    method: 'POST',
    redirect: 'manual',
    headers: { 'content-type': 'application/x-www-form-urlencoded', cookie: state.cookie },
    body: new URLSearchParams({ SAMLResponse: 'bm90aGluZw==', RelayState: state.text }).toString(),
  });
  expect(response.status).toBe(303);
  return new URL(response.headers.get('location') ?? '').searchParams.get('code') ?? '';
}
