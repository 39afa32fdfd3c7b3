import { beforeEach, describe, expect, it } from 'vitest';
import { deriveId } from '#adapters/local/ids.ts';
import { derivedId } from '#core/derived-id.ts';
import { type Json, jsonBytes } from '#core/json.ts';
import { STEP_TYPES } from '#core/plan/program.ts';
import type { HttpFailure } from '#ports/http.ts';
import { performCall } from '#steps/perform-call.ts';
import { performCompensation } from '#steps/perform-compensation.ts';
import { STEP_WORK } from '#steps/step-work.ts';
import {
  callOf,
  createWorld,
  EXECUTION_ID,
  http,
  ROOT_ID,
  stepOf,
  undoOf,
  type World,
} from './support.ts';

let world: World;
beforeEach(() => {
  world = createWorld();
});
const ship = stepOf({ id: 'ship', type: 'http_request', config: { url: 'https://a.example/' } });
const send = (config: Json, more = {}) => performCall(world, callOf(ship, config, more));
const URL_ = 'https://api.example/x';
const codeOf = (result: Awaited<ReturnType<typeof send>>) =>
  result.ok ? 'ok' : result.error.code.replace('CloudFlow.', '');

it('every step type says what it does outside', () => {
  expect(Object.keys(STEP_WORK).sort()).toEqual([...STEP_TYPES].sort());
});

it('a step without a call is refused as our own mistake', async () => {
  const wait = stepOf({ id: 'nap', type: 'wait', config: { duration: 1000 } });
  await expect(performCall(world, callOf(wait, {}))).rejects.toThrow(TypeError);
});

describe('http_request', () => {
  it('sends what the config says, with who is asking', async () => {
    world.answer = () => http(201, { id: 7 }, { 'x-a': 'b' });
    const result = await send(
      {
        url: URL_,
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
      url: `${URL_}?q=a+b&n=1&n=true`,
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
    for (const attempt of [1, 2]) await send({ url: URL_ }, { attempt });
    expect(world.requests[0]?.headers['idempotency-key']).toBe(
      world.requests[1]?.headers['idempotency-key'],
    );
    await send({
      url: URL_,
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
    expect(codeOf(await send({ url: URL_ }))).toBe(code);
  });

  it('takes the statuses that are expected and no others', async () => {
    world.answer = () => http(404, '');
    expect(codeOf(await send({ url: URL_, expect_status: [200, 404] }))).toBe('ok');
    world.answer = () => http(201, '');
    expect(codeOf(await send({ url: URL_, expect_status: [200, 404] }))).toBe('UnexpectedStatus');
    world.answer = () => http(302, '');
    expect(codeOf(await send({ url: URL_, expect_status: [302] }))).toBe('ok');
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
    expect(await send({ url: URL_ })).toEqual({
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
    const result = await send({ url: URL_ });
    expect(result.ok && (result.output as { body: Json }).body).toEqual(body);
  });

  it.each([
    ['application/json', '{"a":'],
    ['application/json', '1e400'],
    ['application/json', '{"__proto__":{"a":1}}'],
    ['application/json', `${'['.repeat(65)}${']'.repeat(65)}`],
    ['application/json', `[${'1,'.repeat(100_001)}1]`],
  ])('a body that is %s and cannot be kept is InvalidResponse', async (type, text) => {
    world.answer = () => http(200, text, { 'content-type': type });
    expect(codeOf(await send({ url: URL_ }))).toBe('InvalidResponse');
  });

  it('a body that is no text is InvalidResponse, and its character set is honoured', async () => {
    world.answer = () => http(200, new Uint8Array([0xff, 0xfe, 0x80]));
    expect(codeOf(await send({ url: URL_ }))).toBe('InvalidResponse');
    world.answer = () =>
      http(200, new Uint8Array([0xe9]), { 'content-type': 'text/plain; charset=iso-8859-1' });
    const result = await send({ url: URL_ });
    expect(result.ok && (result.output as { body: Json }).body).toBe('é');
  });

  it.each([
    ['nothing', null],
    ['an array', []],
    ['no url', {}],
    ['a url of another kind', { url: 7 }],
    ['a relative url', { url: '/x' }],
    ['another scheme', { url: 'ftp://a.example/' }],
    ['an unknown member', { url: URL_, retries: 1 }],
    ['an unknown method', { url: URL_, method: 'TRACE' }],
    ['a body on GET', { url: URL_, body: 'x' }],
    ['headers that are a list', { url: URL_, headers: [] }],
    ['a header that is an object', { url: URL_, headers: { a: {} } }],
    ['a header with a line break', { url: URL_, headers: { a: 'x\r\nhost: evil' } }],
    ['a header beyond Latin-1', { url: URL_, headers: { a: '✓' } }],
    ['a header name with a colon', { url: URL_, headers: { 'a:b': 'x' } }],
    ['a header of the transport', { url: URL_, headers: { Host: 'evil' } }],
    ['a length', { url: URL_, headers: { 'Content-Length': 3 } }],
    ['a transfer encoding', { url: URL_, headers: { 'transfer-encoding': 'chunked' } }],
    ['a proxy header', { url: URL_, headers: { 'Proxy-Authorization': 'x' } }],
    ['one header twice', { url: URL_, headers: { a: '1', A: '2' } }],
    [
      '65 headers',
      {
        url: URL_,
        headers: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`h${i}`, 'x'])),
      },
    ],
    ['headers of 17 KiB', { url: URL_, headers: { a: 'x'.repeat(17_000) } }],
    ['a url of 9,000 characters', { url: `${URL_}?${'x'.repeat(9_000)}` }],
    ['a query that is a text', { url: URL_, query: 'a=b' }],
    ['a status of another kind', { url: URL_, expect_status: ['200'] }],
    ['a connection of another kind', { url: URL_, connection: 5 }],
    ['an unknown connection', { url: '/x', connection: 'crm' }],
  ])('%s is InvalidConfig and nothing is sent', async (_what, config) => {
    expect(codeOf(await send(config as Json))).toBe('InvalidConfig');
    expect(world.requests).toEqual([]);
  });
});

describe('a connection', () => {
  const SECRET = 'canary-s3cret"1';
  beforeEach(() => {
    world.stored['key'] = SECRET;
    world.registered['crm'] = {
      type: 'http',
      base_url: 'https://crm.example/v1',
      auth: { scheme: 'bearer', secret: 'key' },
    };
    world.registered['basic'] = {
      type: 'http',
      base_url: 'https://crm.example',
      auth: { scheme: 'basic', username: 'ü', secret: 'key' },
    };
    world.registered['keyed'] = {
      type: 'http',
      base_url: 'https://crm.example/',
      auth: { scheme: 'api_key', header: 'X-Api-Key', secret: 'key' },
    };
    world.registered['open'] = {
      type: 'http',
      base_url: 'https://crm.example',
      auth: { scheme: 'none' },
    };
  });

  it.each([
    ['crm', 'authorization', `Bearer ${SECRET}`],
    ['basic', 'authorization', `Basic ${Buffer.from(`ü:${SECRET}`).toString('base64')}`],
    ['keyed', 'x-api-key', SECRET],
  ])('%s sends its secret in %s, marked as one', async (connection, header, value) => {
    expect(codeOf(await send({ url: '/x', connection }))).toBe('ok');
    expect(world.requests[0]?.headers[header]).toBe(value);
    expect(world.requests[0]?.secretHeaders).toEqual([header]);
    expect(codeOf(await send({ url: '/x', connection, headers: { [header]: 'mine' } }))).toBe(
      'InvalidConfig',
    );
  });

  it.each([
    ['/customers/7', 'https://crm.example/v1/customers/7'],
    ['customers?a=b', 'https://crm.example/v1/customers?a=b'],
    ['', null],
    ['/', 'https://crm.example/v1/'],
    ['https://crm.example/v1/deep', 'https://crm.example/v1/deep'],
    ['/a/../b', 'https://crm.example/v1/b'],
    ['/../admin', null],
    ['/%2e%2e/admin', null],
    ['/..%2fadmin', null],
    ['//evil.example/x', null],
    ['\\\\evil.example/x', null],
    ['/\\evil.example', 'https://crm.example/v1//evil.example'],
    ['https://evil.example/v1/x', null],
    ['https://crm.example/v2', null],
    ['https://crm.example/v1x', null],
    ['http://crm.example/v1/x', null],
    ['https://crm.example:8443/v1/x', null],
    ['https://u@crm.example/v1/x', null],
    ['javascript:alert(1)', null],
    ['\thttps://evil.example/', 'stays'],
  ])('goes from %j to %s', async (url, expected) => {
    const result = await send({ url, connection: 'crm' });
    if (expected === null) {
      expect(codeOf(result)).toBe('InvalidConfig');
      expect(world.requests).toEqual([]);
    } else if (expected === 'stays') {
      for (const request of world.requests)
        expect(request.url.startsWith('https://crm.example/v1/')).toBe(true);
    } else {
      expect(world.requests[0]?.url).toBe(expected);
    }
  });

  it('never shows its secret: not in a result that echoes it, not in an error', async () => {
    world.answer = (request) =>
      http(
        200,
        { echoed: request.headers, bare: SECRET },
        { 'x-echo': request.headers['authorization'] ?? '' },
      );
    for (const connection of ['crm', 'basic']) {
      const result = await send({ url: '/x', connection });
      expect(codeOf(result)).toBe('ok');
      const text = JSON.stringify(result);
      expect(text).not.toContain('canary-s3cret');
      expect(text).not.toContain(Buffer.from(`ü:${SECRET}`).toString('base64'));
    }
    world.stored['key'] = 'canary-s3cret\r\nx: y';
    const refused = await send({ url: '/x', connection: 'crm' });
    expect(codeOf(refused)).toBe('InvalidConfig');
    expect(JSON.stringify(refused)).not.toContain('canary-s3cret');
  });

  it('is of its mode and type, and its secret is stored', async () => {
    expect(codeOf(await send({ url: '/x', connection: 'crm' }, { mode: 'test' }))).toBe(
      'InvalidConfig',
    );
    world.registered['db'] = {
      type: 'postgres',
      host: 'h',
      database: 'd',
      login: { username: 'u', secret: 'key' },
    };
    expect(codeOf(await send({ url: '/x', connection: 'db' }))).toBe('InvalidConfig');
    world.registered['lost'] = {
      type: 'http',
      base_url: 'https://a.example',
      auth: { scheme: 'bearer', secret: 'gone' },
    };
    expect(codeOf(await send({ url: '/x', connection: 'lost' }))).toBe('InvalidConfig');
    expect(codeOf(await send({ url: '/x', connection: 'open' }))).toBe('ok');
    expect(world.requests.map((each) => each.secretHeaders)).toEqual([[]]);
  });
});

describe('time', () => {
  it('ends an attempt, and its request hears of it', async () => {
    world.answer = (request) =>
      new Promise((resolve) =>
        request.signal.addEventListener('abort', () =>
          resolve({ ok: false, reason: 'aborted', message: 'x' }),
        ),
      );
    const pending = send({ url: URL_ });
    await Promise.resolve();
    setImmediate(() => world.expire());
    expect(await pending).toEqual({
      ok: false,
      error: { code: 'CloudFlow.Timeout', message: 'no result within 1500 ms' },
    });
    expect(world.openDeadlines()).toBe(0);
  });

  it('is given up with the attempt, which then is cancelled and not late', async () => {
    world.answer = (request) =>
      new Promise((resolve) =>
        request.signal.addEventListener('abort', () =>
          resolve({ ok: false, reason: 'aborted', message: 'x' }),
        ),
      );
    const controller = new AbortController();
    const pending = send({ url: URL_ }, { signal: controller.signal });
    setImmediate(() => controller.abort());
    expect(codeOf(await pending)).toBe('Cancelled');
  });

  it('does not open the breaker when the host gave up, and does when the target is silent', async () => {
    world.answer = () => ({ ok: false, reason: 'aborted', message: 'x' });
    for (let i = 0; i < 20; i++) await send({ url: URL_ });
    expect(world.requests).toHaveLength(20);
    world.answer = () => ({ ok: false, reason: 'unreachable', message: 'x' });
    const codes = [];
    for (let i = 0; i < 12; i++) codes.push(codeOf(await send({ url: URL_ })));
    expect(codes).toEqual([...Array(10).fill('ConnectionError'), 'Transient', 'Transient']);
    expect(codeOf(await send({ url: 'https://other.example/' }))).toBe('ConnectionError');
    expect(codeOf(await send({ url: URL_ }, { tenant: 'else' }))).toBe('ConnectionError');
  });

  it('a part of ours that is away is no attempt', async () => {
    const away = {
      ...world,
      connections: { ...world.connections, find: () => Promise.reject(new Error('away')) },
    };
    await expect(performCall(away, callOf(ship, { url: '/x', connection: 'crm' }))).rejects.toThrow(
      'away',
    );
  });
});

describe('result and budget', () => {
  const shaped = (result: string, more: { [member: string]: Json } = {}) =>
    stepOf({
      id: 'ship',
      type: 'http_request',
      config: { url: 'https://a.example/' },
      result,
      ...more,
    });

  it('shapes the raw result, simple or not', async () => {
    world.answer = () => http(200, { items: [{ n: 2 }, { n: 3 }], name: 'x'.repeat(50_000) });
    const simple = await performCall(world, callOf(shaped('{% $result.status %}'), { url: URL_ }));
    expect(simple).toEqual({ ok: true, output: 200, compensation: null });
    const whole = await performCall(
      world,
      callOf(shaped('{% $sum($result.body.items.n) %}'), { url: URL_ }),
    );
    expect(whole).toEqual({ ok: true, output: 5, compensation: null });
  });

  it.each([
    ['{% $result.body.none %}', 'yields no value'],
    ['{% $sum($result.body.none.x) %}', 'yields no value'],
    ["{% $error('canary') %}", ''],
    ['{% $result.body.text > 5 %}', ''],
  ])('%s is ExpressionError', async (result, message) => {
    world.answer = () => http(200, { text: 'a' });
    const answer = await performCall(world, callOf(shaped(result), { url: URL_ }));
    expect(codeOf(answer)).toBe('ExpressionError');
    expect(!answer.ok && answer.error.message).toContain(message);
  });

  it('counts bytes of canonical JSON, to the byte', async () => {
    const exact = {
      status: 200,
      headers: { 'content-type': 'application/json' },
      body: { é: 'ü' },
    };
    world.answer = () => http(200, exact.body);
    const bytes = jsonBytes(exact);
    const fits = stepOf({
      id: 'ship',
      type: 'http_request',
      config: { url: 'https://a.example/' },
      max_output_bytes: bytes,
    });
    const not = stepOf({
      id: 'ship',
      type: 'http_request',
      config: { url: 'https://a.example/' },
      max_output_bytes: bytes - 1,
    });
    expect(codeOf(await performCall(world, callOf(fits, { url: URL_ })))).toBe('ok');
    expect(codeOf(await performCall(world, callOf(not, { url: URL_ })))).toBe('OutputTooLarge');
  });

  it('evaluates what would undo the step, with the step itself visible', async () => {
    world.answer = () => http(200, { id: 'o-1' });
    const step = stepOf({
      id: 'ship',
      type: 'http_request',
      config: { url: 'https://a.example/' },
      result: '{% $result.body %}',
      compensate: {
        type: 'http_request',
        config: {
          url: 'https://a.example/{% $steps.ship.output.id %}/{% $uppercase($steps.ship.status) %}',
          method: 'POST',
          body: { tries: '{% $steps.ship.attempts %}', none: '{% $input.none %}' },
        },
      },
    });
    const result = await performCall(
      world,
      callOf(step, { url: URL_ }, { attempt: 2, bindings: { input: {} } }),
    );
    expect(result).toMatchObject({
      ok: true,
      output: { id: 'o-1' },
      compensation: {
        type: 'http_request',
        config: { url: 'https://a.example/o-1/SUCCESS', body: { tries: 2, none: null } },
      },
    });
  });

  it('an error there marks the record bad and leaves the step a success', async () => {
    world.answer = () => http(200, { id: 'o-1' });
    const step = stepOf({
      id: 'ship',
      type: 'http_request',
      config: { url: 'https://a.example/' },
      compensate: { type: 'http_request', config: { url: "{% $error('no') %}" } },
    });
    const result = await performCall(world, callOf(step, { url: URL_ }));
    expect(result).toMatchObject({
      ok: true,
      compensation: { config: null, bad: { code: 'CloudFlow.ExpressionError' } },
    });
    if (!result.ok || result.compensation === null) throw new Error('no record');
    const undone = await performCompensation(world, undoOf(step, result.compensation));
    expect(undone).toMatchObject({ ok: false, error: { code: 'CloudFlow.ExpressionError' } });
    expect(world.requests).toHaveLength(1);
  });
});

describe('database_operation', () => {
  const step = stepOf({ id: 'create-account', type: 'database_operation' });
  beforeEach(() => {
    world.stored['pw'] = 'canary-pw';
    world.stored['ro'] = 'canary-ro';
    world.registered['crm'] = {
      type: 'postgres',
      host: 'db.example',
      database: 'd',
      login: { username: 'writer', secret: 'pw' },
      reader: { username: 'reader', secret: 'ro' },
    };
    world.operations['create-account'] = {
      connection: 'crm',
      access: 'write',
      statement: 'insert into accounts values (:id, :name)',
      parameters: {
        type: 'object',
        properties: { id: { type: 'integer' }, name: { type: 'string' } },
        required: ['id'],
      },
    };
    world.operations['look'] = {
      connection: 'crm',
      access: 'read',
      statement: 'select 1',
      max_rows: 5,
    };
  });
  const run = (config: Json, more = {}) => performCall(world, callOf(step, config, more));

  it('runs the operation that is named after the step, with values apart', async () => {
    expect(await run({ parameters: { name: "'; --", id: 5 } })).toEqual({
      ok: true,
      output: { row_count: 1 },
      compensation: null,
    });
    expect(world.statements[0]).toMatchObject({
      tenant: 'acme',
      mode: 'live',
      connection: 'crm',
      revision: 3,
      access: 'write',
      text: 'insert into accounts values ($1, $2)',
      values: ['5', "'; --"],
      key: `${ROOT_ID}/create-account`,
      login: { username: 'writer' },
    });
  });

  it('reads as the reader', async () => {
    world.answerStatement = () => ({
      ok: true,
      result: { rows: [{ a: 1 }], row_count: 1 },
      replayed: false,
    });
    expect(await run({ operation: 'look', connection: 'crm' })).toMatchObject({
      ok: true,
      output: { rows: [{ a: 1 }], row_count: 1 },
    });
    expect(world.statements[0]).toMatchObject({
      access: 'read',
      login: { username: 'reader' },
      maxRows: 5,
    });
    expect(world.statements[0]?.login.password.reveal()).toBe('canary-ro');
  });

  it.each([
    ['unknown operation', { operation: 'none' }],
    ['an operation of another kind', { operation: 5 }],
    ['another connection than its own', { connection: 'else', parameters: { id: 1 } }],
    ['a missing parameter', { parameters: {} }],
    ['a wrong type', { parameters: { id: 'x' } }],
    ['an unknown parameter', { parameters: { id: 1, more: 2 } }],
    ['SQL from the step', { statement: 'drop table accounts', parameters: { id: 1 } }],
  ])('%s is InvalidConfig and nothing runs', async (_what, config) => {
    expect(codeOf(await run(config as Json))).toBe('InvalidConfig');
    expect(world.statements).toEqual([]);
  });

  it.each([
    ['refused', 'PermissionDenied'],
    ['aborted', 'Timeout'],
    ['unavailable', 'DatabaseUnavailable'],
    ['login', 'AuthenticationFailed'],
    ['denied', 'PermissionDenied'],
    ['constraint', 'ConstraintViolation'],
    ['serialization', 'SerializationFailure'],
    ['too_large', 'OutputTooLarge'],
    ['invalid', 'InvalidConfig'],
  ] as const)('%s is %s', async (reason, code) => {
    world.answerStatement = () => ({ ok: false, reason, message: 'why' });
    expect(await run({ parameters: { id: 1 } })).toEqual({
      ok: false,
      error: { code: `CloudFlow.${code}`, message: 'why' },
    });
  });
});

describe('notification', () => {
  const step = stepOf({ id: 'tell', type: 'notification', config: { channel: 'email' } });

  it('asks for delivery under one id, whatever the attempt', async () => {
    const config = { channel: 'in_app', template: 'welcome', to: ['u-1'], data: { a: 1 } };
    const first = await performCall(world, callOf(step, config));
    const second = await performCall(world, callOf(step, config, { attempt: 2 }));
    const id = derivedId(ROOT_ID, `${ROOT_ID}/tell`);
    expect(first).toEqual({ ok: true, output: { notification_id: id }, compensation: null });
    expect(second).toEqual(first);
    expect(id).toBe(deriveId(ROOT_ID, `${ROOT_ID}/tell`));
    expect(world.published[0]).toEqual({
      tenant: 'acme',
      mode: 'live',
      topic: 'notifications.inapp',
      key: id,
      id,
      payload: {
        notification_id: id,
        channel: 'in_app',
        template: 'welcome',
        to: ['u-1'],
        data: { a: 1 },
        execution_id: EXECUTION_ID,
        step: 'tell',
        mode: 'live',
      },
    });
    expect(world.published[1]).toEqual(world.published[0]);
  });

  it.each([
    [{ channel: 'pigeon' }],
    [{ channel: 'toString' }],
    [{}],
    [{ channel: 'sms', template: 5 }],
    [{ channel: 'sms', cc: 'x' }],
    [null],
  ])('%j is InvalidConfig', async (config) => {
    expect(codeOf(await performCall(world, callOf(step, config as Json)))).toBe('InvalidConfig');
    expect(world.published).toEqual([]);
  });
});

describe('callback', () => {
  const step = stepOf({
    id: 'ask',
    type: 'callback',
    config: { request: { url: 'https://a.example/' }, timeout: 60_000 },
  });
  const TOKEN = 'tok/1';
  const urls = {
    complete_url: 'https://flow.example/api/v1/callbacks/tok%2F1/complete',
    fail_url: 'https://flow.example/api/v1/callbacks/tok%2F1/fail',
    heartbeat_url: 'https://flow.example/api/v1/callbacks/tok%2F1/heartbeat',
  };
  const ask = (request: Json) =>
    performCall(world, callOf(step, { request }, { callback: { token: TOKEN } }));

  it('hands its token out in headers and in the body', async () => {
    world.answer = () => http(202, { ignored: true });
    expect(await ask({ url: URL_, body: { a: 1 } })).toEqual({
      ok: true,
      output: null,
      compensation: null,
    });
    expect(world.requests[0]).toMatchObject({
      method: 'POST',
      maxRedirects: 0,
      body: JSON.stringify({ a: 1, callback: { token: TOKEN, ...urls } }),
      headers: {
        'x-cloudflow-callback-token': TOKEN,
        'x-cloudflow-complete-url': urls.complete_url,
        'x-cloudflow-heartbeat-url': urls.heartbeat_url,
      },
    });
  });

  it.each([
    [{ url: URL_ }, JSON.stringify({ callback: { token: TOKEN, ...urls } })],
    [{ url: URL_, body: 'text' }, 'text'],
    [{ url: URL_, body: [1] }, '[1]'],
    [{ url: URL_, body: { callback: 'mine' } }, '{"callback":"mine"}'],
    [{ url: URL_, method: 'GET' }, null],
  ])('%j sends %j', async (request, body) => {
    await ask(request as Json);
    expect(world.requests[0]?.body).toBe(body);
    expect(world.requests[0]?.headers['x-cloudflow-callback-token']).toBe(TOKEN);
  });

  it('fails when the request does, and needs a request and a token', async () => {
    world.answer = () => http(500, '');
    expect(codeOf(await ask({ url: URL_ }))).toBe('ServerError');
    expect(codeOf(await performCall(world, callOf(step, {}, { callback: { token: 't' } })))).toBe(
      'InvalidConfig',
    );
    await expect(performCall(world, callOf(step, { request: { url: URL_ } }))).rejects.toThrow(
      TypeError,
    );
  });
});

describe('compensation', () => {
  it('calls under a key of its own, the same for all attempts', async () => {
    const record = {
      type: 'http_request',
      config: { url: URL_, method: 'DELETE', timeout: '5s' },
    } as const;
    for (const attempt of [1, 2])
      expect(await performCompensation(world, undoOf(ship, record, { attempt }))).toEqual({
        ok: true,
      });
    expect(world.requests.map((each) => each.headers['idempotency-key'])).toEqual(
      Array(2).fill(`${ROOT_ID}/ship/compensate`),
    );
    world.answer = () => http(503, '');
    expect(await performCompensation(world, undoOf(ship, record))).toMatchObject({
      ok: false,
      error: { code: 'CloudFlow.ServerError' },
    });
  });

  it('by a child waits for its end', async () => {
    const record = {
      type: 'sub_workflow',
      config: { workflow_id: 'undo', input: { a: 1 } },
    } as const;
    const undo = () => performCompensation(world, undoOf(ship, record));
    expect(await undo()).toEqual({ ok: true });
    expect(world.children.started[0]).toEqual({
      tenant: 'acme',
      mode: 'live',
      parentId: EXECUTION_ID,
      step: 'ship',
      purpose: 'compensation',
      workflowId: 'undo',
      version: null,
      input: { a: 1 },
      detach: false,
    });
    world.endOfChild = { status: 'FAILED', error: { code: 'Mine', message: 'm' } };
    expect(await undo()).toEqual({ ok: false, error: { code: 'Mine', message: 'm' } });
    world.endOfChild = { status: 'CANCELLED', error: null };
    expect(await undo()).toMatchObject({
      ok: false,
      error: { code: 'CloudFlow.SubWorkflowFailed' },
    });
    world.endOfChild = null;
    expect(await undo()).toMatchObject({ ok: false, error: { code: 'CloudFlow.Timeout' } });
    world.answerChild = {
      kind: 'refused',
      error: { code: 'CloudFlow.QuotaExceeded', message: 'q' },
    };
    expect(await undo()).toEqual({
      ok: false,
      error: { code: 'CloudFlow.QuotaExceeded', message: 'q' },
    });
    world.answerChild = { kind: 'started', executionId: 'c' };
    expect(
      await performCompensation(
        world,
        undoOf(ship, { type: 'sub_workflow', config: { workflow_id: 'No Such' } }),
      ),
    ).toMatchObject({
      ok: false,
      error: { code: 'CloudFlow.InvalidConfig' },
    });
  });
});
