import { TOTP } from 'otpauth';
import { expect } from 'vitest';
import type { Json } from '#core/json.ts';
import type { Furnisher, Names } from './furnished-tenant.ts';
import { type Post, postingTo } from './posting.ts';

const PASSWORD = 'a long walk in the rain';

/** Of users of furnished tenants. */
export { PASSWORD as PEOPLES_PASSWORD };

type OfPeople = Pick<
  Names,
  | 'user'
  | 'address'
  | 'session'
  | 'role'
  | 'audit_name'
  | 'refresh_token'
  | 'device_token'
  | 'mfa_token'
  | 'address_token'
  | 'reset_token'
  | 'invitation_token'
>;

/** An owner and a second user, signed in; a third with an authenticator; one who is invited. */
export async function furnishPeople(
  { api, people }: Furnisher,
  tenant: string,
  word: string,
  slug: string,
  key: string,
): Promise<{
  readonly owner: string;
  readonly token: string;
  readonly colleague: { readonly token: string; readonly session: string };
  readonly names: OfPeople;
}> {
  const post = postingTo(api.server.url);
  const asking = async (path: string, body: Json | undefined, token?: string) => {
    const answer = await post(path, body, token === undefined ? {} : { token });
    if (answer.status >= 300) throw new Error(`${path}: ${JSON.stringify(answer)}`);
    return answer.body as Record<string, string>;
  };
  const person = (name: string, roles: readonly string[]) =>
    people.user(tenant, { email: `${word}.${name}@example.com`, roles, password: PASSWORD });
  const login = (email: string) =>
    asking('/auth/login', { tenant: slug, email, password: PASSWORD });

  for (const name of [`${word}-helper`, `${word}-watcher`]) {
    await asking('/roles', { name, about: `of ${word}`, scopes: ['workflow:read'] }, key);
  }
  const owner = await person('owner', ['owner']);
  const second = await person('second', ['viewer']);
  const mine = await login(owner.email);
  // One more session each, so that lists of them have a second page.
  await people.session(tenant, owner.id);
  await people.session(tenant, second.id);
  const theirs = await login(second.email);
  const token = String(mine['access_token']);

  await asking('/users', { email: `${word}.third@example.com`, roles: [] }, key);
  const invitation = await people.lastMail(tenant, 'identity.invitation');
  await asking('/auth/password/forgot', { tenant: slug, email: owner.email });
  const reset = await people.lastMail(tenant, 'identity.reset_password');
  const moved = { email: `${word}.moved@example.com`, current_password: PASSWORD };
  await asking('/auth/address', moved, token);
  const address = await people.lastMail(tenant, 'identity.confirm_address');
  const guarded = await person('guarded', ['viewer']);
  await enrol(post, String((await login(guarded.email))['access_token']), api.clock.now());
  return {
    ...{ owner: owner.id, token },
    colleague: {
      token: String(theirs['access_token']),
      session: String(theirs['session_id']),
    },
    names: {
      user: second.id,
      address: second.email,
      session: String(theirs['session_id']),
      role: `${word}-helper`,
      audit_name: `user:${second.id}`,
      refresh_token: String(mine['refresh_token']),
      device_token: String(mine['device_token']),
      mfa_token: String((await login(guarded.email))['mfa_token']),
      address_token: address.token,
      reset_token: reset.token,
      invitation_token: invitation.token,
    },
  };
}

async function enrol(post: Post, token: string, now: number): Promise<void> {
  const { body } = await post('/auth/mfa/totp', undefined, { token });
  const code = new TOTP({ secret: String(body['secret']), period: 30 }).generate({
    timestamp: now,
  });
  const confirmed = await post('/auth/mfa/totp/confirm', { code }, { token });
  expect(confirmed.status).toBe(200);
}
