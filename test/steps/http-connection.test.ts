import { beforeEach, describe, expect, it } from 'vitest';
import type { Json } from '#core/json.ts';
import { performCall } from '#steps/perform-call.ts';
import { callOf, codeOf, createWorld, http, stepOf, type World } from './support.ts';

let world: World;
beforeEach(() => {
  world = createWorld();
});
const ship = stepOf({ id: 'ship', type: 'http_request', config: { url: 'https://a.example/' } });
const send = (config: Json, more = {}) => performCall(world, callOf(ship, config, more));

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
