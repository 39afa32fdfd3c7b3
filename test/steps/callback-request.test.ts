import { beforeEach, describe, expect, it } from 'vitest';
import type { Json } from '#core/json.ts';
import { performCall } from '#steps/perform-call.ts';
import { callOf, codeOf, createWorld, http, stepOf, type World } from './support.ts';

let world: World;
beforeEach(() => {
  world = createWorld();
});
const TARGET = 'https://api.example/x';

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
    expect(await ask({ url: TARGET, body: { a: 1 } })).toEqual({
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
    [{ url: TARGET }, JSON.stringify({ callback: { token: TOKEN, ...urls } })],
    [{ url: TARGET, body: 'text' }, 'text'],
    [{ url: TARGET, body: [1] }, '[1]'],
    [{ url: TARGET, body: { callback: 'mine' } }, '{"callback":"mine"}'],
    [{ url: TARGET, method: 'GET' }, null],
  ])('%j sends %j', async (request, body) => {
    await ask(request as Json);
    expect(world.requests[0]?.body).toBe(body);
    expect(world.requests[0]?.headers['x-cloudflow-callback-token']).toBe(TOKEN);
  });

  it('fails when the request does, and needs a request and a token', async () => {
    world.answer = () => http(500, '');
    expect(codeOf(await ask({ url: TARGET }))).toBe('ServerError');
    expect(codeOf(await performCall(world, callOf(step, {}, { callback: { token: 't' } })))).toBe(
      'InvalidConfig',
    );
    await expect(performCall(world, callOf(step, { request: { url: TARGET } }))).rejects.toThrow(
      TypeError,
    );
  });
});
