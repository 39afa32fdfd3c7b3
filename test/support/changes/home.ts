import { setTimeout as pause } from 'node:timers/promises';
import { TOTP } from 'otpauth';
import { createIds } from '#adapters/local/ids.ts';
import { createQuarantine } from '#adapters/postgres/quarantine.ts';
import { type Client, createClient } from '#client/client.ts';
import { bodyType } from '#contract/route.ts';
import {
  type Body,
  type OperationId,
  type Params,
  type Query,
  type ResponseBody,
  routeOf,
} from '#contract/routes.ts';
import type { JsonObject } from '#core/json.ts';
import { Browser, codeOf } from '#test/functions/sso-browser.ts';
import { aDefinition, ISSUER, startTestApi, type TestApi } from '#test/support/api.ts';
import type { TestDatabase } from '#test/support/database.ts';
import {
  type HonestProvider,
  startHonestProvider,
} from '#test/support/identity-providers/start.ts';
import { createPeople, type People } from '#test/support/people.ts';
import { startIdp, type TestIdp } from '#test/support/saml/idp.ts';

export const PASSWORD = 'a long walk in the rain';
export const RETURN_TO = 'http://127.0.0.1:4711/callback';

/** A call as somebody makes it; typed by its operation. */
export interface CallOf<Id extends OperationId> {
  readonly params?: Params<Id>;
  readonly query?: Query<Id>;
  readonly body?: Body<Id>;
  /** An API key or an access token; left out: the key of the tenant's owner. Null: none. */
  readonly credential?: string | null;
  readonly cookie?: string;
  /** Who is told of as its actor; left out: the key of the tenant's owner. */
  readonly actor?: string | RegExp;
}

export interface Answered {
  readonly status: number;
  readonly headers: Headers;
  readonly body: JsonObject;
}

export interface Person {
  readonly id: string;
  readonly email: string;
}

export interface SignedIn extends Person {
  readonly token: string;
  readonly refresh: string;
  readonly session: string;
}

/** A platform with what all changes need: identity providers and steps that fail or wait to be called back. */
export interface Platform {
  readonly api: TestApi;
  readonly people: People;
  readonly database: TestDatabase;
  readonly oidc: HonestProvider;
  readonly saml: TestIdp;
  readonly callbacks: ReadonlyMap<string, string>;
  home(): Promise<Home>;
  send<Id extends OperationId>(id: Id, call: CallOf<Id>, key: string): Promise<Answered>;
  close(): Promise<void>;
}

export async function startPlatformOfChanges(
  database: TestDatabase,
  options: Parameters<typeof startTestApi>[1] = {},
): Promise<Platform> {
  const oidc = await startHonestProvider({
    ada: { email: 'ada@example.com', email_verified: true, name: 'Ada Lovelace' },
  } as never);
  const saml = await startIdp();
  const callbacks = new Map<string, string>();
  const api = await startTestApi(database, {
    egressAllow: [oidc.host, new URL(saml.url).host],
    performer: {
      call: async (call) => {
        if (call.callback !== undefined) {
          callbacks.set(call.executionId, call.callback.token);
          return { ok: true, output: null, compensation: null };
        }
        return { ok: false, error: { code: 'CloudFlow.ClientError', message: 'no' } };
      },
      compensate: async () => ({ ok: true }),
    },
    ...options,
  });
  const people = createPeople(api, database);
  const platform: Platform = {
    ...{ api, people, database, oidc, saml, callbacks },
    home: async () => {
      const { tenant, slug } = await people.tenant();
      return new Home(platform, tenant, slug, await api.createKey(tenant, ['*']));
    },
    async send(id, call, key) {
      const { method, path, ifMatch } = routeOf(id);
      const params = (call.params ?? {}) as Record<string, string>;
      const filled = path.replace(/\{(\w+)\}/g, (_, name: string) =>
        encodeURIComponent(params[name] ?? ''),
      );
      const query = new URLSearchParams((call.query ?? {}) as Record<string, string>).toString();
      const credential = call.credential === undefined ? key : call.credential;
      const type = bodyType(routeOf(id));
      const text =
        type === 'application/json'
          ? JSON.stringify(call.body)
          : new URLSearchParams(call.body as Record<string, string>).toString();
      const sent = {
        method,
        redirect: 'manual' as const,
        headers: {
          ...(credential === null ? {} : { authorization: `Bearer ${credential}` }),
          ...(call.body === undefined ? {} : { 'content-type': type }),
          ...(ifMatch === undefined ? {} : { 'if-match': '*' }),
          ...(call.cookie === undefined ? {} : { cookie: call.cookie }),
        },
        ...(call.body === undefined ? {} : { body: text }),
      };
      const url = `${api.server.url}${filled}${query === '' ? '' : `?${query}`}`;
      let response = await fetch(url, sent);
      // A busy machine: nothing was done.
      for (let again = 0; response.status === 503 && again < 5; again += 1) {
        await response.arrayBuffer();
        await pause(1_000);
        response = await fetch(url, sent);
      }
      const answer = await response.text();
      const isJson = response.headers.get('content-type')?.includes('json') === true;
      return {
        status: response.status,
        headers: response.headers,
        body: (isJson ? JSON.parse(answer) : {}) as JsonObject,
      };
    },
    async close() {
      await api.close();
      await oidc.close();
      await saml.close();
    },
  };
  return platform;
}

/** A tenant of its own, so that what is told of a change is told of that one. */
export class Home {
  readonly platform: Platform;
  readonly tenant: string;
  readonly slug: string;
  readonly key: string;
  readonly owner: Client;

  constructor(platform: Platform, tenant: string, slug: string, key: string) {
    this.platform = platform;
    this.tenant = tenant;
    this.slug = slug;
    this.key = key;
    // It comes again where a busy machine answers UNAVAILABLE.
    this.owner = createClient({ baseUrl: platform.api.server.url, credential: key });
  }

  person(more: { readonly roles?: readonly string[]; readonly email?: string } = {}) {
    return this.platform.people.user(this.tenant, { password: PASSWORD, ...more });
  }

  async login({ email }: Person): Promise<ResponseBody<'login'>> {
    const body = { tenant: this.slug, email, password: PASSWORD };
    return this.platform.api.client('').login({ body });
  }

  async signedIn(more: { readonly roles?: readonly string[]; readonly email?: string } = {}) {
    return this.signIn(await this.person(more));
  }

  async signIn(person: Person): Promise<SignedIn> {
    const answer = await this.login(person);
    if (!('access_token' in answer)) throw new Error('asked for a second factor');
    return {
      ...person,
      token: answer.access_token,
      refresh: answer.refresh_token,
      session: answer.session_id,
    };
  }

  /** Signed in with an authenticator; `code` is good once. */
  async withAuthenticator(more: { readonly roles?: readonly string[] } = {}) {
    return this.enrolled(await this.signedIn(more));
  }

  async enrolled(person: SignedIn): Promise<SignedIn & { readonly code: string }> {
    const { api } = this.platform;
    const client = api.client(person.token);
    const { secret } = await client.enrolTotp();
    const timestamp = api.clock.now();
    const { recovery_codes } = await client.confirmTotp({
      body: { code: new TOTP({ secret }).generate({ timestamp }) },
    });
    const [code = '', other = ''] = recovery_codes;
    // In another session: what holds of this one may still be believed for two seconds.
    const half = await this.login(person);
    if (!('mfa_token' in half)) throw new Error('asked for no second factor');
    const tokens = await api.client('').verifySecondFactor({
      body: { mfa_token: half.mfa_token, code: other },
    });
    return {
      ...person,
      token: tokens.access_token,
      refresh: tokens.refresh_token,
      session: tokens.session_id,
      code,
    };
  }

  async workflow(steps: readonly JsonObject[] = []): Promise<string> {
    const body = aDefinition(steps.length === 0 ? {} : { steps: [...steps] });
    await this.owner.createWorkflow({ body });
    return 'greeting';
  }

  async execution(step: JsonObject): Promise<string> {
    const workflow_id = await this.workflow([step]);
    return (await this.owner.executeWorkflow({ workflow_id })).execution_id;
  }

  quarantined(execution: string): Promise<boolean> {
    const pool = this.platform.database.pool('cloudflow_auditor');
    return createQuarantine({ pool, ids: createIds() }).setAside(
      { tenant: this.tenant, executionId: execution },
      { code: 'step_row', reason: 'a test', at: this.platform.api.clock.now() },
    );
  }

  /** A provider of OpenID Connect with this name. */
  async connected(name = 'corp'): Promise<string> {
    const redirect = `${ISSUER}/api/v1/auth/sso/${this.slug}/${name}/callback`;
    const client = await this.platform.oidc.register(redirect);
    const { issuer } = this.platform.oidc;
    await this.owner.createIdentityProvider({
      body: {
        ...{ name, enabled: true, email_domains: ['example.com'] },
        ...{ default_roles: ['viewer'], trusts_mfa: false, client_secret: client.secret },
        protocol: {
          ...{ kind: 'oidc', issuer, client_id: client.id, client_auth: 'client_secret_basic' },
        } as const,
      },
    });
    return name;
  }

  /** The code that a sign-in there hands to the program that began it. */
  async codeFrom(name: string): Promise<Body<'linkIdentity'>> {
    const browser = new Browser(this.platform.api);
    const begun = await browser.begun(this.slug, name);
    const back = await browser.callback(begun, await browser.visit(begun, 'ada'));
    return { code: codeOf(back), code_verifier: begun.verifier };
  }

  /** Somebody with a password who signs in there too. */
  async linked(): Promise<Person> {
    const person = await this.person({ email: 'ada@example.com' });
    const name = await this.connected();
    await this.platform.api.client('').exchangeSignIn({ body: await this.codeFrom(name) });
    return person;
  }

  async mailed(template: string): Promise<string> {
    return (await this.platform.people.lastMail(this.tenant, template)).token;
  }
}
