import { beforeEach, describe, expect, it } from 'vitest';
import type { Json } from '#core/json.ts';
import type { HttpFailure } from '#ports/http.ts';
import { performCall } from '#steps/perform-call.ts';
import {
  callOf,
  codeOf,
  createWorld,
  EXECUTION_ID,
  http,
  ROOT_ID,
  stepOf,
  type World,
} from './support.ts';

let world: World;
beforeEach(() => {
  world = createWorld();
});
const ship = stepOf({ id: 'ship', type: 'http_request', config: { url: 'https://a.example/' } });
const send = (config: Json, more = {}) => performCall(world, callOf(ship, config, more));
const TARGET = 'https://api.example/x';

describe('http_request', () => {
  it('sends what the config says, with who is asking', async () => {
    world.answer = () => http(201, { id: 7 }, { 'x-a': 'b' });
    const result = await send(
      {
        url: TARGET,
        method: 'POST',
        headers: { 'X-Mine': 5 },
        query: { q: 'a b', n: [1, true], none: null },
        body: { a: 1 },
      },
      { attempt: 3, key: 'orders.ship[4]' },
    );
    expect(result).toEqual({
      ok: true,
      output: {
        status: 201,
        headers: { 'content-type': 'application/json', 'x-a': 'b' },
        body: { id: 7 },
      },
      compensation: null,
    });
    expect(world.requests[0]).toMatchObject({
      tenant: 'acme',
      method: 'POST',
      url: `${TARGET}?q=a+b&n=1&n=true`,
      body: '{"a":1}',
      maxRedirects: 3,
      secretHeaders: [],
    });
    expect(world.requests[0]?.headers).toEqual({
      'user-agent': 'cloudflow/1',
      'content-type': 'application/json',
      'idempotency-key': `${ROOT_ID}/orders.ship[4]`,
      'x-cloudflow-execution': EXECUTION_ID,
      'x-cloudflow-step': 'orders.ship[4]',
      'x-cloudflow-attempt': '3',
      'x-mine': '5',
    });
  });

  it('has one key for all attempts, and an own header of the author wins', async () => {
    for (const attempt of [1, 2]) await send({ url: TARGET }, { attempt });
    expect(world.requests[0]?.headers['idempotency-key']).toBe(
      world.requests[1]?.headers['idempotency-key'],
    );
    await send({
      url: TARGET,
      headers: { 'Idempotency-Key': 'mine', 'X-CloudFlow-Attempt': 'a', 'Content-Type': 'x/y' },
      method: 'PUT',
      body: 'text',
    });
    expect(world.requests[2]?.headers).toMatchObject({
      'idempotency-key': 'mine',
      'x-cloudflow-attempt': 'a',
      'content-type': 'x/y',
    });
    expect(world.requests[2]?.body).toBe('text');
  });

  it.each([
    [429, 'Throttled'],
    [500, 'ServerError'],
    [503, 'ServerError'],
    [401, 'AuthenticationFailed'],
    [403, 'PermissionDenied'],
    [404, 'NotFound'],
    [400, 'ClientError'],
    [422, 'ClientError'],
    [302, 'UnexpectedStatus'],
    [304, 'UnexpectedStatus'],
    [204, 'ok'],
  ])('%i is %s', async (status, code) => {
    world.answer = () => http(status, '');
    expect(codeOf(await send({ url: TARGET }))).toBe(code);
  });

  it('takes the statuses that are expected and no others', async () => {
    world.answer = () => http(404, '');
    expect(codeOf(await send({ url: TARGET, expect_status: [200, 404] }))).toBe('ok');
    world.answer = () => http(201, '');
    expect(codeOf(await send({ url: TARGET, expect_status: [200, 404] }))).toBe('UnexpectedStatus');
    world.answer = () => http(302, '');
    expect(codeOf(await send({ url: TARGET, expect_status: [302] }))).toBe('ok');
    expect(world.requests.map((each) => each.maxRedirects)).toEqual([3, 3, 0]);
  });

  const reasons: { [F in HttpFailure]: string } = {
    refused: 'PermissionDenied',
    invalid: 'InvalidConfig',
    unreachable: 'ConnectionError',
    idle: 'Timeout',
    aborted: 'Timeout',
    redirects: 'UnexpectedStatus',
    too_large: 'OutputTooLarge',
    undecodable: 'InvalidResponse',
  };
  it.each(Object.entries(reasons))('%s is %s', async (reason, code) => {
    world.answer = () => ({ ok: false, reason: reason as HttpFailure, message: 'why' });
    expect(await send({ url: TARGET })).toEqual({
      ok: false,
      error: { code: `CloudFlow.${code}`, message: 'why' },
    });
  });

  it.each([
    [{ 'content-type': 'text/plain' }, 'hé', 'hé'],
    [{ 'content-type': 'application/problem+json; charset=utf-8' }, '{"a":[1]}', { a: [1] }],
    [{ 'content-type': 'application/json' }, '"\\u0000\\ud800x"', '\ufffd\ufffdx'],
    [{}, '{"a":1}', '{"a":1}'],
    [{}, 'a\0b', 'a\ufffdb'],
    [{}, '', null],
  ])('a body with %j: %s', async (headers, text, body) => {
    world.answer = () => ({
      ok: true,
      status: 200,
      headers: headers as Record<string, string>,
      body: new TextEncoder().encode(text),
    });
    const result = await send({ url: TARGET });
    expect(result.ok && (result.output as { body: Json }).body).toEqual(body);
  });

  it.each([
    ['application/json', '{"a":'],
    ['application/json', '1e400'],
    ['application/json', '{"id":12345678901234567890}'],
    ['application/json', '-9007199254740993'],
    ['application/json', '{"__proto__":{"a":1}}'],
    ['application/json', `${'['.repeat(65)}${']'.repeat(65)}`],
    ['application/json', `[${'1,'.repeat(100_001)}1]`],
  ])('a body that is %s and cannot be kept is InvalidResponse', async (type, text) => {
    world.answer = () => http(200, text, { 'content-type': type });
    expect(codeOf(await send({ url: TARGET }))).toBe('InvalidResponse');
  });

  it('a body that is no text is InvalidResponse, and its character set is honoured', async () => {
    world.answer = () => http(200, new Uint8Array([0xff, 0xfe, 0x80]));
    expect(codeOf(await send({ url: TARGET }))).toBe('InvalidResponse');
    world.answer = () =>
      http(200, new Uint8Array([0xe9]), { 'content-type': 'text/plain; charset=iso-8859-1' });
    const result = await send({ url: TARGET });
    expect(result.ok && (result.output as { body: Json }).body).toBe('é');
  });

  it.each([
    ['nothing', null],
    ['an array', []],
    ['no url', {}],
    ['a url of another kind', { url: 7 }],
    ['a relative url', { url: '/x' }],
    ['another scheme', { url: 'ftp://a.example/' }],
    ['an unknown member', { url: TARGET, retries: 1 }],
    ['an unknown method', { url: TARGET, method: 'TRACE' }],
    ['a body on GET', { url: TARGET, body: 'x' }],
    ['headers that are a list', { url: TARGET, headers: [] }],
    ['a header that is an object', { url: TARGET, headers: { a: {} } }],
    ['a header with a line break', { url: TARGET, headers: { a: 'x\r\nhost: evil' } }],
    ['a header beyond Latin-1', { url: TARGET, headers: { a: '✓' } }],
    ['a header name with a colon', { url: TARGET, headers: { 'a:b': 'x' } }],
    ['a header of the transport', { url: TARGET, headers: { Host: 'evil' } }],
    ['a length', { url: TARGET, headers: { 'Content-Length': 3 } }],
    ['a transfer encoding', { url: TARGET, headers: { 'transfer-encoding': 'chunked' } }],
    ['a proxy header', { url: TARGET, headers: { 'Proxy-Authorization': 'x' } }],
    ['one header twice', { url: TARGET, headers: { a: '1', A: '2' } }],
    [
      '65 headers',
      {
        url: TARGET,
        headers: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`h${i}`, 'x'])),
      },
    ],
    ['headers of 17 KiB', { url: TARGET, headers: { a: 'x'.repeat(17_000) } }],
    ['a url of 9,000 characters', { url: `${TARGET}?${'x'.repeat(9_000)}` }],
    ['a query that is a text', { url: TARGET, query: 'a=b' }],
    ['a status of another kind', { url: TARGET, expect_status: ['200'] }],
    ['a connection of another kind', { url: TARGET, connection: 5 }],
    ['an unknown connection', { url: '/x', connection: 'crm' }],
  ])('%s is InvalidConfig and nothing is sent', async (_what, config) => {
    expect(codeOf(await send(config as Json))).toBe('InvalidConfig');
    expect(world.requests).toEqual([]);
  });
});
