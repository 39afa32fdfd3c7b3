import { describe, expect, it } from 'vitest';
import { type ClientOptions, createClient, itemsOf } from '#client/client.ts';
import { hasErrorCode } from '#core/errors.ts';

interface Sent {
  readonly url: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

/** A client against answers that are given one after the other; the last one is given on. */
function clientOf(
  answers: (() => Response | Promise<Response>)[],
  more: Partial<ClientOptions> = {},
) {
  const sent: Sent[] = [];
  const slept: number[] = [];
  const client = createClient({
    baseUrl: 'https://api.example/',
    credential: 'cfk_test_x',
    newIdempotencyKey: () => 'fresh',
    sleep: (ms) => {
      slept.push(ms);
      return Promise.resolve();
    },
    fetch: (async (url: string, init: RequestInit) => {
      sent.push({
        url,
        method: init.method ?? '',
        headers: init.headers as Record<string, string>,
        body: init.body as string | undefined,
      });
      const answer = answers.length > 1 ? answers.shift() : answers[0];
      if (answer === undefined) throw new Error('no answer left');
      return answer();
    }) as typeof fetch,
    ...more,
  });
  return { client, sent, slept };
}

const ok =
  (body: unknown, headers = {}) =>
  () =>
    Response.json(body, { headers });
const problem =
  (status: number, body: object, headers = {}) =>
  () =>
    Response.json(body, { status, headers });

describe('the client', () => {
  it('sends what the contract says', async () => {
    const { client, sent } = clientOf([ok({})]);
    await client.executeWorkflow({ workflow_id: 'a b/c', body: { input: 1 } });
    await client.listExecutions({ query: { label: ['a:1', 'b:2'], limit: 5 } });
    await client.getHealth();
    await client.pauseExecution({ execution_id: 'x' });
    await client.updateConnection({
      connection: 'crm',
      ifMatch: '"1"',
      body: { connection: { type: 'http', base_url: 'https://x', auth: { scheme: 'none' } } },
    });
    expect(sent[0]).toMatchObject({
      url: 'https://api.example/api/v1/workflows/a%20b%2Fc/execute',
      method: 'POST',
      body: '{"input":1}',
      headers: { authorization: 'Bearer cfk_test_x', 'idempotency-key': 'fresh' },
    });
    expect(sent[1]?.url).toBe(
      'https://api.example/api/v1/executions?label=a%3A1&label=b%3A2&limit=5',
    );
    expect(sent[1]?.headers).not.toHaveProperty('idempotency-key');
    expect(sent[2]?.headers).not.toHaveProperty('authorization');
    expect(sent[3]?.body).toBeUndefined();
    expect(sent[4]).toMatchObject({ method: 'PUT', headers: { 'if-match': '"1"' } });
  });

  it('tells status, ETag and request id to who asks', async () => {
    const { client } = clientOf([ok({ a: 1 }, { etag: '"7"', 'x-request-id': 'r1' })]);
    expect(await client.send('getWorkflow', { workflow_id: 'a' })).toEqual({
      status: 200,
      body: { a: 1 },
      etag: '"7"',
      requestId: 'r1',
    });
  });

  it('throws problems as errors with their code', async () => {
    const { client } = clientOf([
      problem(
        422,
        { code: 'WORKFLOW_INVALID', detail: 'two problems', problems: [{ code: 'E_CYCLE' }] },
        { 'x-request-id': 'r2' },
      ),
    ]);
    const error = await client.createWorkflow({ body: {} }).catch((thrown: unknown) => thrown);
    expect(hasErrorCode(error, 'WORKFLOW_INVALID')).toBe(true);
    expect(error).toMatchObject({
      message: 'two problems',
      problems: [{ code: 'E_CYCLE' }],
      details: { status: 422, request_id: 'r2' },
    });
  });

  it('repeats after 429 and 503 under the same key, and waits as long as it is told', async () => {
    const { client, sent, slept } = clientOf([
      problem(429, { code: 'RATE_LIMITED' }, { 'retry-after': '7' }),
      problem(503, { code: 'UNAVAILABLE' }),
      ok({ execution_id: 'x' }),
    ]);
    await client.executeWorkflow({ workflow_id: 'a' });
    expect(slept).toEqual([7_000, 200]);
    expect(new Set(sent.map(({ headers }) => headers['idempotency-key']))).toEqual(
      new Set(['fresh']),
    );
  });

  it('repeats when the connection is lost, and gives up after a few', async () => {
    const { client, sent } = clientOf([
      () => {
        throw new TypeError('fetch failed');
      },
    ]);
    const error = await client.listWorkflows().catch((thrown: unknown) => thrown);
    expect(hasErrorCode(error, 'UNAVAILABLE')).toBe(true);
    expect(sent).toHaveLength(4);
  });

  it('does not repeat what a repeat cannot help', async () => {
    for (const status of [400, 401, 404, 409, 422, 500]) {
      const { client, sent } = clientOf([problem(status, {})]);
      await expect(client.listWorkflows()).rejects.toThrow();
      expect(sent).toHaveLength(1);
    }
  });

  it('makes sense of answers that are not ours', async () => {
    const page = () => new Response('<html>bad gateway</html>', { status: 502 });
    const { client } = clientOf([page]);
    const error = await client.listWorkflows().catch((thrown: unknown) => thrown);
    expect(hasErrorCode(error, 'UNAVAILABLE')).toBe(true);
  });

  it('stops when its caller does', async () => {
    const stop = new AbortController();
    const { client } = clientOf([
      () => {
        stop.abort(new Error('enough'));
        throw stop.signal.reason;
      },
    ]);
    await expect(client.listWorkflows({ signal: stop.signal })).rejects.toThrow('enough');
  });

  it('refuses a path parameter that is missing before anything is sent', async () => {
    const { client, sent } = clientOf([ok({})]);
    await expect(client.getWorkflow({ workflow_id: '' })).rejects.toThrow(TypeError);
    expect(sent).toEqual([]);
  });

  it('walks lists to their end', async () => {
    const { client } = clientOf([
      ok({ items: [1, 2], next_cursor: 'n' }),
      ok({ items: [3], next_cursor: null }),
    ]);
    const found: unknown[] = [];
    for await (const item of itemsOf((cursor) =>
      client.listWorkflows({ query: cursor === undefined ? {} : { cursor } }),
    )) {
      found.push(item);
    }
    expect(found).toEqual([1, 2, 3]);
  });
});
