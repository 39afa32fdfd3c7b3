import { ApiGatewayManagementApiClient } from '@aws-sdk/client-apigatewaymanagementapi';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { createGatewaySockets } from '#adapters/apigateway/sockets.ts';
import { createIds } from '#adapters/local/ids.ts';
import { createPostgresKeyValue } from '#adapters/postgres/key-value.ts';
import { createPlainCodec } from '#adapters/postgres/payload-codec.ts';
import { createVerifier } from '#functions/identity/create-verifier.ts';
import { createSocketEvents } from '#functions/realtime/socket-events.ts';
import type { KeyValue } from '#ports/key-value.ts';
import { createAuthenticate } from '#services/identity/authenticate.ts';
import { isStillIn } from '#services/identity/still-in.ts';
import {
  createOpenSockets,
  MAX_SOCKETS,
  type OpenSockets,
} from '#services/realtime/open-sockets.ts';
import { ISSUER, startTestApi, type TestApi } from '#test/support/api.ts';
import { clientConfig } from '#test/support/aws.ts';
import { createTestDatabase, describeWithPostgres } from '#test/support/database.ts';
import { type GatewaySockets, startGatewaySockets } from '#test/support/gateway-sockets.ts';

const ARN = 'arn:aws:execute-api:eu-central-1:000000000000:abc123/live/$connect';
type Headers = Readonly<Record<string, string>>;

describeWithPostgres('WebSockets', () => {
  let api: TestApi;
  let gateway: GatewaySockets;
  let client: ApiGatewayManagementApiClient;
  let records: KeyValue;
  let open: OpenSockets;
  let handle: ReturnType<typeof createSocketEvents>;
  let tenant: string;
  let key: string;
  let now = Date.now();

  beforeAll(async () => {
    const database = await createTestDatabase();
    api = await startTestApi(database);
    gateway = await startGatewaySockets();
    client = new ApiGatewayManagementApiClient(clientConfig(gateway));
    const clock = { ...api.clock, now: () => now };
    const app = database.pool('cloudflow_app');
    records = createPostgresKeyValue({ pool: app, clock, codec: createPlainCodec() });
    const verifier = createVerifier({
      app,
      login: database.pool('cloudflow_login'),
      signingKeys: api.signingKeys,
      clock: api.clock,
      ids: createIds(),
      issuer: () => ISSUER,
    });
    open = createOpenSockets({
      ...{ records, sockets: createGatewaySockets(client), clock },
      isStillIn: (by) => isStillIn(verifier, by),
    });
    handle = createSocketEvents({ authenticate: createAuthenticate(verifier), open });
  });
  beforeEach(async () => {
    now = Date.now();
    gateway.open.clear();
    tenant = await api.createTenant();
    key = await api.createKey(tenant, ['workflow:read']);
  });
  afterAll(async () => {
    client?.destroy();
    await gateway?.close();
    await api?.close();
  });

  const ask = async (headers: Headers) =>
    (await handle({ type: 'REQUEST', methodArn: ARN, headers })) as {
      principalId: string;
      policyDocument: { Statement: { Effect: string; Resource: string }[] };
      context: Record<string, string>;
    };
  const tell = (
    eventType: 'CONNECT' | 'MESSAGE' | 'DISCONNECT',
    connectionId: string,
    authorizer: Record<string, unknown>,
    more: { headers?: Headers; body?: string } = {},
  ) =>
    handle({ requestContext: { eventType, connectionId, authorizer }, ...more }) as Promise<{
      statusCode: number;
      headers?: Headers;
      body?: string;
    }>;
  /** As API Gateway does it: it asks, lets in, and tells. */
  async function connect(id: string, credential = key): Promise<Record<string, string>> {
    const { context } = await ask({ Authorization: `Bearer ${credential}` });
    gateway.open.set(id, []);
    await tell('CONNECT', id, context);
    now += 1;
    return context;
  }
  const ownerOf = (context: Record<string, string>) =>
    context as { tenant: string; mode: 'live' | 'test'; subject: string };
  const known = async (): Promise<string[]> =>
    (
      await records.list({ tenant, kind: 'socket', prefix: '' }, { limit: 100, after: null })
    ).items.map(({ id }) => id.split('/').at(-1) ?? '');

  it('whoever has a credential may connect, and what it says travels with the connection', async () => {
    const answer = await ask({ Authorization: `Bearer ${key}` });
    expect(answer.policyDocument.Statement).toEqual([
      { Action: 'execute-api:Invoke', Effect: 'Allow', Resource: ARN },
    ]);
    expect(answer.context).toEqual({
      tenant,
      mode: 'live',
      subject: expect.stringMatching(/^key:/),
    });
    expect(answer.principalId).toBe(answer.context['subject']);
    expect(JSON.stringify(answer)).not.toContain(key);
  });

  it('a browser names its credential as a protocol, and is told that its own was picked', async () => {
    const headers = { 'Sec-WebSocket-Protocol': `cloudflow.v1, bearer.${key}` };
    const { context } = await ask(headers);
    expect(context).toMatchObject({ tenant });
    gateway.open.set('browser=', []);
    expect(await tell('CONNECT', 'browser=', context, { headers })).toEqual({
      statusCode: 200,
      headers: { 'Sec-WebSocket-Protocol': 'cloudflow.v1' },
    });
    expect(await tell('CONNECT', 'program=', context, { headers: {} })).toEqual({
      statusCode: 200,
    });
  });

  it.each<[string, Headers]>([
    ['no credential', {}],
    ['a wrong one', { Authorization: `Bearer cfk_live_${'0'.repeat(32)}` }],
    ['a protocol that is none', { 'Sec-WebSocket-Protocol': 'bearer., cloudflow.v1' }],
    ['a token that nobody signed', { Authorization: 'Bearer a.b.c' }],
  ])('%s is refused, which is no error of ours', async (_, headers) => {
    const { principalId, policyDocument, context } = await ask(headers);
    expect([principalId, policyDocument.Statement[0]?.Effect]).toEqual(['nobody', 'Deny']);
    expect(context).toEqual({});
  });

  it('a connection without whose it is, is an error and no connection', async () => {
    await expect(tell('CONNECT', 'a=', {})).rejects.toThrow('its route needs the authorizer');
    await expect(tell('CONNECT', 'a=', { tenant, mode: 'both', subject: 'x' })).rejects.toThrow(
      'its route needs the authorizer',
    );
    expect(await known()).toEqual([]);
  });

  it('a ping is answered; what clients say besides is an error of theirs', async () => {
    const context = await connect('a=');
    const say = async (body: string) =>
      JSON.parse((await tell('MESSAGE', 'a=', context, { body })).body ?? '') as unknown;
    expect(await say('{"type":"ping"}')).toEqual({ type: 'pong' });
    for (const body of [
      '',
      '{',
      '"ping"',
      '[]',
      '{"type":"subscribe"}',
      `"${'x'.repeat(2_000)}"`,
    ]) {
      expect(await say(body)).toMatchObject({ type: 'error', code: 'REQUEST_INVALID' });
    }
  });

  it('what is pushed reaches every connection of a principal, and nobody else’s', async () => {
    const context = await connect('a=');
    await connect('b=');
    const other = await connect('c=', await api.createKey(tenant, ['workflow:read']));
    const stranger = await api.createTenant();
    await connect('d=', await api.createKey(stranger, ['workflow:read']));
    expect(await open.push(ownerOf(context), { hello: 'Ada' })).toBe(2);
    expect(Object.fromEntries(gateway.open)).toEqual({
      'a=': ['{"hello":"Ada"}'],
      'b=': ['{"hello":"Ada"}'],
      'c=': [],
      'd=': [],
    });
    // The same names in another tenant or mode are others.
    expect(await open.push({ ...ownerOf(context), tenant: stranger }, {})).toBe(0);
    expect(await open.push({ ...ownerOf(context), mode: 'test' }, {})).toBe(0);
    expect(await open.push(ownerOf(other), {})).toBe(1);
  });

  it('a connection that has ended is forgotten: when it is told, and when it was not', async () => {
    const context = await connect('a=');
    await connect('b=');
    await connect('c=');
    gateway.open.delete('a=');
    expect(await tell('DISCONNECT', 'a=', context)).toEqual({ statusCode: 200 });
    await tell('DISCONNECT', 'a=', context); // twice is once
    expect(await known()).toEqual(['b=', 'c=']);
    gateway.open.delete('b=');
    expect(await open.push(ownerOf(context), 1)).toBe(1);
    expect(await known()).toEqual(['c=']);
  });

  it('a connection is not remembered for longer than one can last', async () => {
    const context = await connect('a=');
    now += 2 * 3_600_000 - 2;
    expect(await known()).toEqual(['a=']);
    now += 2;
    expect(await known()).toEqual([]);
    expect(await open.push(ownerOf(context), 1)).toBe(0);
  });

  it('a connection that is told twice is one', async () => {
    const context = await connect('a=');
    await tell('CONNECT', 'a=', context);
    expect(await known()).toEqual(['a=']);
  });

  it('one connection too many ends the oldest, also where that was gone already', async () => {
    const ids = Array.from({ length: MAX_SOCKETS + 2 }, (_, index) => `n${index}=`);
    for (const id of ids.slice(0, MAX_SOCKETS)) await connect(id);
    expect(gateway.open.size).toBe(MAX_SOCKETS);
    await connect(ids[MAX_SOCKETS] ?? '');
    expect([...gateway.open.keys()]).toEqual(ids.slice(1, MAX_SOCKETS + 1));
    gateway.open.delete(ids[1] ?? '');
    await connect(ids[MAX_SOCKETS + 1] ?? '');
    expect((await known()).sort()).toEqual(ids.slice(2).sort());
    expect([...gateway.open.keys()]).toEqual(ids.slice(2));
  });

  it('a push that API Gateway refuses for now is an error, and forgets nobody', async () => {
    const context = await connect('a=');
    gateway.refuseOnce(429, 'LimitExceededException');
    await expect(open.push(ownerOf(context), 1)).rejects.toMatchObject({
      name: 'LimitExceededException',
    });
    expect(await known()).toEqual(['a=']);
  });
});
