import { ApiGatewayManagementApiClient } from '@aws-sdk/client-apigatewaymanagementapi';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createGatewaySockets } from '#adapters/apigateway/sockets.ts';
import { createIds } from '#adapters/local/ids.ts';
import { createPostgresKeyValue } from '#adapters/postgres/key-value.ts';
import { createPlainCodec } from '#adapters/postgres/payload-codec.ts';
import { createVerifier } from '#functions/identity/create-verifier.ts';
import { createSocketEvents } from '#functions/realtime/socket-events.ts';
import { createAuthenticate } from '#services/identity/authenticate.ts';
import { isStillIn } from '#services/identity/still-in.ts';
import { createOpenSockets, type OpenSockets } from '#services/realtime/open-sockets.ts';
import { ISSUER, startTestApi, type TestApi } from '#test/support/api.ts';
import { clientConfig } from '#test/support/aws.ts';
import { createTestDatabase, describeWithPostgres } from '#test/support/database.ts';
import { type GatewaySockets, startGatewaySockets } from '#test/support/gateway-sockets.ts';
import { createHeldClock, type HeldClock } from '#test/support/held-clock.ts';
import { createPeople, type People } from '#test/support/people.ts';
import { postingTo } from '#test/support/posting.ts';
import { type SocketDoor, startSocketDoor } from '#test/support/socket-door.ts';
import { forgeries } from './forged-tokens.ts';

const PASSWORD = 'a long walk in the rain';
const ARN = 'arn:aws:execute-api:eu-central-1:000000000000:abc123/live/$connect';
type Knock = Parameters<SocketDoor['knock']>[0];

/** How a client may say who it is. */
const byHeader = (token: string): Knock => ({ headers: { authorization: `Bearer ${token}` } });
const byProtocol = (token: string): Knock => ({
  headers: { 'sec-websocket-protocol': `cloudflow.v1, bearer.${token}` },
});
const NAMES = ['access_token', 'token', 'authorization', 'Authorization', 'auth', 'bearer'];

describeWithPostgres('at the door of WebSockets', () => {
  let clock: HeldClock;
  let api: TestApi;
  let people: People;
  let gateway: GatewaySockets;
  let client: ApiGatewayManagementApiClient;
  let open: OpenSockets;
  let handle: ReturnType<typeof createSocketEvents>;
  let door: SocketDoor;
  let tenant: string;
  let good: string;

  beforeAll(async () => {
    const database = await createTestDatabase();
    clock = createHeldClock();
    api = await startTestApi(database, { clock });
    people = createPeople(api, database);
    gateway = await startGatewaySockets();
    client = new ApiGatewayManagementApiClient(clientConfig(gateway));
    const app = database.pool('cloudflow_app');
    const verifier = createVerifier({
      app,
      login: database.pool('cloudflow_login'),
      signingKeys: api.signingKeys,
      clock,
      ids: createIds(),
      issuer: () => ISSUER,
    });
    const records = createPostgresKeyValue({ pool: app, clock, codec: createPlainCodec() });
    open = createOpenSockets({
      ...{ records, sockets: createGatewaySockets(client), clock },
      isStillIn: (by) => isStillIn(verifier, by),
    });
    handle = createSocketEvents({ authenticate: createAuthenticate(verifier), open });
    door = await startSocketDoor(handle);
    ({ tenant } = await people.tenant());
    good = await people.signIn(tenant);
  });
  afterAll(async () => {
    await door?.close();
    client?.destroy();
    await gateway?.close();
    await api?.close();
  });

  const isLetIn = async (asked: Knock): Promise<boolean> => {
    const { status } = await door.knock(asked);
    if (status !== 101 && status !== 403) throw new Error(`the door answers ${status}`);
    return status === 101;
  };

  it('an access token and an API key are let in, by a header and by a protocol', async () => {
    for (const credential of [good, await api.createKey(tenant, ['workflow:read'])]) {
      expect(await door.knock(byHeader(credential))).toEqual({ status: 101, protocol: null });
      expect(await door.knock(byProtocol(credential))).toEqual({
        ...{ status: 101, protocol: 'cloudflow.v1' },
      });
    }
  });

  it('no token is let in that nobody issued, whatever is wrong with it and whichever way it comes', async () => {
    const stranger = await people.user(tenant);
    const all = forgeries({
      token: good,
      privateKey: api.signingKeys.privateKey(),
      now: clock.now(),
      otherUser: stranger.id,
      otherSession: await people.session(tenant, stranger.id),
      otherTenant: (await people.tenant()).tenant,
    });
    expect(new Set(all.map(({ token }) => token)).size).toBeGreaterThan(100);
    const letIn: string[] = [];
    for (const { name, token } of all) {
      const ways: Readonly<Record<string, Knock>> = {
        'a header': byHeader(token),
        'a protocol': byProtocol(token),
        'a protocol alone': { headers: { 'sec-websocket-protocol': `bearer.${token}` } },
        // Nobody is let in by the better of two.
        'a header, beside a good protocol': {
          headers: { ...byProtocol(good).headers, ...byHeader(token).headers },
        },
        'a protocol, before a good one': {
          headers: { 'sec-websocket-protocol': `bearer.${token}, bearer.${good}` },
        },
        'the query': { query: `?access_token=${encodeURIComponent(token)}` },
      };
      for (const [way, asked] of Object.entries(ways)) {
        if (await isLetIn(asked)) letIn.push(`${name}, by ${way}`);
      }
    }
    expect(letIn).toEqual([]);
    // And the good one is still good.
    expect(await isLetIn(byHeader(good))).toBe(true);
  }, 180_000);

  it('nothing is let in by what stands in the address, or where two say different things', async () => {
    const key = await api.createKey(tenant, ['*']);
    for (const credential of [good, key]) {
      for (const name of NAMES) {
        for (const text of [credential, `Bearer ${credential}`]) {
          const query = `?${new URLSearchParams({ [name]: text })}`;
          expect([name, await isLetIn({ query })]).toEqual([name, false]);
        }
      }
    }
    const two = `bearer.${good}, bearer.${key}`;
    expect(await isLetIn({ headers: { 'sec-websocket-protocol': two } })).toBe(false);
    for (const text of [
      `Basic ${good}`,
      good,
      `Bearer ${good}, Bearer ${key}`,
      `Bearer  ${good}`,
    ]) {
      expect(await isLetIn({ headers: { authorization: text } })).toBe(false);
    }
    expect(await isLetIn({ headers: { cookie: `access_token=${good}` } })).toBe(false);
  });

  it('who is signed out is let in no more within two seconds', async () => {
    const token = await people.signIn(tenant);
    expect(await isLetIn(byProtocol(token))).toBe(true);
    const out = await postingTo(api.server.url)('/auth/logout', undefined, { token });
    expect(out.status).toBe(204);
    clock.pass(2_000);
    expect(await isLetIn(byProtocol(token))).toBe(false);
    expect(await isLetIn(byHeader(token))).toBe(false);
  });

  describe('what was opened by who is let in no more', () => {
    const said = (id: string, authorizer: Record<string, string>) =>
      handle({
        requestContext: { eventType: 'MESSAGE', connectionId: id, authorizer },
        body: '{"type":"ping"}',
      });
    async function opened(id: string, credential: string) {
      const { context } = (await handle({
        ...{ type: 'REQUEST', methodArn: ARN },
        headers: { authorization: `Bearer ${credential}` },
      })) as { context: Record<string, string> };
      gateway.open.set(id, []);
      const requestContext = {
        eventType: 'CONNECT',
        connectionId: id,
        authorizer: context,
      } as const;
      expect(await handle({ requestContext })).toEqual({ statusCode: 200 });
      expect(await said(id, context)).toEqual({ statusCode: 200, body: '{"type":"pong"}' });
      return context;
    }

    it('is sent nothing and closed, and what others opened as the same user goes on', async () => {
      const { tenant: home, slug } = await people.tenant();
      const { id, email } = await people.user(home, { password: PASSWORD });
      const post = postingTo(api.server.url);
      const login = async () => {
        const { body } = await post('/auth/login', { tenant: slug, email, password: PASSWORD });
        return String(body['access_token']);
      };
      const [one, two] = [await login(), await login()];
      await opened('one=', one);
      await opened('two=', two);
      expect((await post('/auth/logout', undefined, { token: one })).status).toBe(204);
      const owner = { tenant: home, mode: 'live', subject: `user:${id}` } as const;
      expect(await open.push(owner, { hello: 'Ada' })).toBe(1);
      expect(Object.fromEntries(gateway.open)).toEqual({ 'two=': ['{"hello":"Ada"}'] });
      gateway.open.clear();
    });

    it.each<[string, (home: string) => Promise<string>]>([
      ['a session that ended', (home) => people.signIn(home, { roles: [] })],
      ['a key that was revoked', (home) => api.createKey(home, ['workflow:read'])],
    ])('is not answered and closed: %s', async (_, make) => {
      const { tenant: home } = await people.tenant();
      const credential = await make(home);
      const context = await opened('mine=', credential);
      const owner = api.client(await api.createKey(home, ['*']));
      if (context['session'] !== undefined) {
        await owner.revokeSession({ session_id: context['session'] });
      } else {
        await owner.revokeApiKey({ key_id: (context['subject'] ?? '').slice('key:'.length) });
      }
      expect(await said('mine=', context)).toEqual({ statusCode: 200 });
      expect(gateway.open.has('mine=')).toBe(false);
    });
  });
});
