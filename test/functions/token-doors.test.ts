import { createHash } from 'node:crypto';
import { TOTP } from 'otpauth';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Json } from '#core/json.ts';
import { createVirtualClock, type VirtualClock } from '#local/virtual-clock.ts';
import { startTestApi, type TestApi } from '#test/support/api.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import { createPeople, type People } from '#test/support/people.ts';
import { type Post, type Posted, postingTo } from '#test/support/posting.ts';

const PASSWORD = 'a long walk in the rain';
const NEW = 'a short walk in the sun';

/** What is sent where a token of a kind is good. */
const DOORS: Readonly<Record<string, (token: string) => readonly [string, Json]>> = {
  invitation: (token) => ['/auth/invitations/accept', { token, password: NEW }],
  reset: (token) => ['/auth/password/reset', { token, new_password: NEW }],
  address: (token) => ['/auth/address/confirm', { token }],
  'half a sign-in': (mfa_token) => ['/auth/mfa/verify', { mfa_token, code: '000000' }],
  refresh: (refresh_token) => ['/auth/refresh', { refresh_token }],
  'a sign-in elsewhere': (code) => ['/auth/sso/token', { code, code_verifier: 'v'.repeat(43) }],
};
const KINDS = [...Object.keys(DOORS), 'a device', 'access', 'an API key'].filter(
  (kind) => kind !== 'a sign-in elsewhere',
);
const WRONG = Object.keys(DOORS).flatMap((door) =>
  KINDS.filter((kind) => kind !== door).map((kind) => [kind, door] as const),
);

describeWithPostgres('a token that proves one thing', () => {
  let database: TestDatabase;
  let clock: VirtualClock;
  let api: TestApi;
  let people: People;
  let post: Post;
  /** One of each kind, and each still good. */
  let tokens: Readonly<Record<string, string>>;
  let access: string;
  let secret: string;

  beforeAll(async () => {
    database = await createTestDatabase();
    clock = createVirtualClock({ start: Date.now(), keep: () => Promise.resolve() });
    api = await startTestApi(database, { clock });
    people = createPeople(api, database);
    post = postingTo(api.server.url);
    const { tenant, slug } = await people.tenant();
    const key = await api.createKey(tenant, ['*']);
    const { email } = await people.user(tenant, { password: PASSWORD });
    const login = () => post('/auth/login', { tenant: slug, email, password: PASSWORD });
    const { body: session } = await login();
    access = String(session['access_token']);
    const at = { token: access };
    secret = String((await post('/auth/mfa/totp', undefined, at)).body['secret']);
    const confirmed = await post('/auth/mfa/totp/confirm', { code: codeNow() }, at);
    expect(confirmed.status).toBe(200);
    const guest = `guest.${email}`;
    await post('/users', { email: guest, roles: [] }, { token: key });
    const other = await people.user(tenant, { password: PASSWORD });
    await post('/auth/password/forgot', { tenant: slug, email: other.email });
    await post('/auth/address', { email: `new.${email}`, current_password: PASSWORD }, at);
    const mailed = async (template: string) => (await people.lastMail(tenant, template)).token;
    tokens = {
      invitation: await mailed('identity.invitation'),
      reset: await mailed('identity.reset_password'),
      address: await mailed('identity.confirm_address'),
      'half a sign-in': String((await login()).body['mfa_token']),
      refresh: String(session['refresh_token']),
      'a device': String(session['device_token']),
      access,
      'an API key': key,
    };
    for (const token of Object.values(tokens)) expect(token).toMatch(/^\S{20,}$/);
  });
  afterAll(() => api?.close());

  const codeNow = () => new TOTP({ secret, period: 30 }).generate({ timestamp: clock.now() });
  const knock = (door: string, token: string, more: object = {}): Promise<Posted> => {
    const [path, body] = (DOORS[door] as (typeof DOORS)[string])(token);
    return post(path, { ...(body as object), ...more } as Json, { token: access });
  };

  it.each(WRONG)('of %s opens nothing at the door of %s', async (kind, door) => {
    const { status, body } = await knock(door, tokens[kind] ?? '');
    // An access token has not even the form of the others.
    expect([status, body['code']]).toEqual(
      kind === 'access' ? [400, 'REQUEST_INVALID'] : [401, 'TOKEN_INVALID'],
    );
  });

  it('opens nothing by its digest, which is all that is stored of it', async () => {
    for (const token of Object.values(tokens)) {
      const digest = createHash('sha256').update(token).digest();
      for (const text of [digest.toString('hex'), digest.toString('base64url')]) {
        for (const door of Object.keys(DOORS)) {
          expect((await knock(door, text)).body['code']).toBe('TOKEN_INVALID');
        }
      }
    }
  });

  it('opens its own door after all that, so that none was used up by it', async () => {
    await clock.advance(31_000);
    const more = { code: codeNow() };
    const statuses = new Map<string, number>();
    for (const door of ['half a sign-in', 'refresh', 'invitation', 'reset', 'address']) {
      const right = door === 'half a sign-in' ? more : {};
      statuses.set(door, (await knock(door, tokens[door] ?? '', right)).status);
    }
    expect(Object.fromEntries(statuses)).toEqual({
      ...{ 'half a sign-in': 200, refresh: 200, invitation: 204, reset: 204, address: 204 },
    });
  });
});
