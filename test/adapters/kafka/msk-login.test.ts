import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { KafkaClient } from '@aws-sdk/client-kafka';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createMskLogin } from '#adapters/kafka/msk-login.ts';

const CLUSTER = 'arn:aws:kafka:eu-central-1:000000000000:cluster/cloudflow-dev/5b1f-3';
const CREDENTIALS = {
  accessKeyId: 'AKIDNOBODY',
  secretAccessKey: 'nothing',
  sessionToken: 'of-a-role',
};

/** MSK over HTTP, as far as this adapter asks it: one answer, and what was asked. */
let server: Server;
let endpoint: string;
let answer: { readonly status: number; readonly body: unknown };
const asked: string[] = [];

beforeAll(async () => {
  server = createServer((request, response) => {
    asked.push(`${request.method} ${decodeURIComponent(request.url ?? '')}`);
    response.writeHead(answer.status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer.body));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => void server.close());

const login = (credentials: typeof CREDENTIALS & { readonly expiration?: Date } = CREDENTIALS) =>
  createMskLogin({
    client: new KafkaClient({ endpoint, region: 'eu-central-1', credentials, maxAttempts: 1 }),
    clusterArn: CLUSTER,
  });

/** The signed URL inside a token. */
const signed = (token: string): URL => new URL(Buffer.from(token, 'base64url').toString());

it('a token is a signed request to connect to clusters of its region, for 15 minutes', async () => {
  const before = Date.now();
  const { value } = await login().token();
  expect(value).toMatch(/^[A-Za-z0-9_-]+$/);
  const url = signed(value);
  expect(url.protocol).toBe('https:');
  expect(url.host).toBe('kafka.eu-central-1.amazonaws.com');
  const query = Object.fromEntries(url.searchParams);
  expect(query).toMatchObject({
    Action: 'kafka-cluster:Connect',
    'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
    'X-Amz-Expires': '900',
    'X-Amz-Security-Token': CREDENTIALS.sessionToken,
    'X-Amz-SignedHeaders': 'host',
    'X-Amz-Signature': expect.stringMatching(/^[0-9a-f]{64}$/),
  });
  expect(query['X-Amz-Credential']).toMatch(
    /^AKIDNOBODY\/\d{8}\/eu-central-1\/kafka-cluster\/aws4_request$/,
  );
  const at = String(query['X-Amz-Date']).replace(
    /^(....)(..)(..)T(..)(..)(..)Z$/,
    '$1-$2-$3T$4:$5:$6Z',
  );
  expect(Date.parse(at)).toBeGreaterThan(before - 2_000);
  expect(Date.parse(at)).toBeLessThan(Date.now() + 2_000);
  expect(value).not.toContain(Buffer.from(CREDENTIALS.secretAccessKey).toString('base64url'));
});

it('a token is good for no longer than the credentials that signed it', async () => {
  const expiration = new Date(Date.now() + 400_000);
  const { value } = await login({ ...CREDENTIALS, expiration }).token();
  const seconds = Number(signed(value).searchParams.get('X-Amz-Expires'));
  expect(seconds).toBeGreaterThan(300);
  expect(seconds).toBeLessThanOrEqual(400);
});

it('a token is signed without a request', async () => {
  asked.length = 0;
  await login().token();
  expect(asked).toEqual([]);
});

it('a token of other credentials is another', async () => {
  const [ours, theirs] = await Promise.all([
    login().token(),
    login({ ...CREDENTIALS, secretAccessKey: 'else' }).token(),
  ]);
  const of = (token: string) => signed(token).searchParams.get('X-Amz-Signature');
  expect(of(ours.value)).not.toBe(of(theirs.value));
});

it('brokers are those that listen to clients with a token of IAM', async () => {
  const brokers = ['b-1.example:9098', 'b-2.example:9098'];
  answer = {
    status: 200,
    body: { bootstrapBrokerStringSaslIam: brokers.join(), bootstrapBrokerStringTls: 'b-1:9094' },
  };
  asked.length = 0;
  expect(await login().brokers()).toEqual(brokers);
  expect(asked).toEqual([`GET /v1/clusters/${CLUSTER}/bootstrap-brokers`]);
});

it('a cluster that has none, or that may not be asked for, is said', async () => {
  answer = { status: 200, body: { bootstrapBrokerStringTls: 'b-1:9094' } };
  await expect(login().brokers()).rejects.toThrow(
    `${CLUSTER} has no brokers for clients with a token of IAM`,
  );
  answer = { status: 403, body: { message: 'not you' } };
  await expect(login().brokers()).rejects.toThrow('not you');
});
