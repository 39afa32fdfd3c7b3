import { randomUUID } from 'node:crypto';
import { createPlainCodec } from '#adapters/postgres/payload-codec.ts';
import type { TestApi } from './api.ts';
import type { TestDatabase } from './database.ts';
import { postingTo } from './posting.ts';
import { createQuickHasher } from './quick-hasher.ts';

/** Tenants and users that are simply there, and the mail that they would have got. */
export interface People {
  tenant(): Promise<{ readonly tenant: string; readonly slug: string }>;
  user(tenant: string, more?: NewPerson): Promise<{ readonly id: string; readonly email: string }>;
  /** Where the user is signed in; answers the session's id. */
  session(tenant: string, user: string): Promise<string>;
  /** An access token of a user of theirs who has just signed in with a password; default: an owner. */
  signIn(tenant: string, more?: NewPerson): Promise<string>;
  /** What the newest mail of a template says, and whom it goes to. */
  lastMail(
    tenant: string,
    template: string,
  ): Promise<{ readonly token: string; readonly to: string }>;
}

export interface NewPerson {
  readonly email?: string;
  readonly roles?: readonly string[];
  readonly password?: string;
}

export function createPeople(api: TestApi, database: TestDatabase): People {
  const hasher = createQuickHasher();
  const codec = createPlainCodec();
  const people: People = {
    async tenant() {
      const tenant = await api.createTenant();
      const slug = `t-${tenant.slice(0, 13)}`;
      await database.admin.query('update tenants set slug = $2 where id = $1', [tenant, slug]);
      return { tenant, slug };
    },

    async user(tenant, more = {}) {
      const id = randomUUID();
      const email = more.email ?? `person.${id.slice(0, 8)}@example.com`;
      const hash = more.password === undefined ? null : await hasher.hash(more.password);
      await database.admin.query(
        `insert into users (tenant_id, id, email, address, status, roles, password_hash,
                            email_verified_at, revision, created_at, updated_at)
         values ($1, $2, $3, lower($3), 'active', $4, $5, $6, 1, $6, $6)`,
        [tenant, id, email, more.roles ?? ['viewer'], hash, new Date(api.clock.now())],
      );
      return { id, email };
    },

    async session(tenant, user) {
      const id = randomUUID();
      const now = api.clock.now();
      await database.admin.query(
        `insert into sessions (tenant_id, id, user_id, mode, methods, signed_in_at, last_used_at, expires_at)
         values ($1, $2, $3, 'live', '{pwd}', $4, $4, $5)`,
        [tenant, id, user, new Date(now), new Date(now + 86_400_000)],
      );
      return id;
    },

    async signIn(tenant, more = {}) {
      const password = 'a long walk in the rain';
      const { email } = await people.user(tenant, { roles: ['owner'], password, ...more });
      const { rows } = await database.admin.query<{ slug: string }>(
        'select slug from tenants where id = $1',
        [tenant],
      );
      const { body } = await postingTo(api.server.url)('/auth/login', {
        ...{ tenant: rows[0]?.slug ?? '', email },
        password: more.password ?? password,
      });
      return String(body['access_token']);
    },

    async lastMail(tenant, template) {
      const { rows } = await database.admin.query<{ payload: string }>(
        `select payload from outbox where tenant_id = $1 and topic = 'notifications.email'`,
        [tenant],
      );
      const mails = rows
        .map(({ payload }) => codec.decode(payload, tenant) as unknown as Envelope)
        .filter((envelope) => envelope.payload.template === template);
      const last = mails.at(-1);
      if (last === undefined) throw new Error(`no mail of ${template} in ${rows.length} messages`);
      return { ...last.payload.data, to: last.payload.to };
    },
  };
  return people;
}

interface Envelope {
  readonly payload: {
    readonly template: string;
    readonly to: string;
    readonly data: { readonly token: string };
  };
}
