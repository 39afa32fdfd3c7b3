import { type AddressInfo, createServer, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createJsonLog } from '#adapters/local/json-log.ts';
import { startTestApi, type TestApi } from '#test/support/api.ts';

/** Nobody listens on port 1: what the API says while its database is away. */
const AWAY = 'postgres://user:hunter2@127.0.0.1:1/cloudflow';

describe('while the database is away', () => {
  let api: TestApi;
  const logged: Record<string, unknown>[] = [];

  beforeAll(async () => {
    const log = createJsonLog({
      write: (line) => void logged.push(JSON.parse(line) as Record<string, unknown>),
      level: 'info',
      time: () => '',
    });
    api = await startTestApi({ url: AWAY } as never, { log });
  });
  afterAll(() => api?.close());

  it('it lives, is not ready, and tells callers to come again, but not what failed', async () => {
    expect((await fetch(`${api.server.url}/healthz`)).status).toBe(200);
    const key = 'cfk_live_00000000000000000000000000';
    for (const path of ['/readyz', '/api/v1/callbacks/0123456789abcdef/complete']) {
      const response = await fetch(api.server.url + path, {
        method: path === '/readyz' ? 'GET' : 'POST',
        headers: { authorization: `Bearer ${key}` },
      });
      expect(response.status, path).toBe(503);
      expect(response.headers.get('retry-after')).toBe('1');
      const problem = (await response.json()) as Record<string, unknown>;
      expect(problem).toEqual({
        type: 'urn:cloudflow:problem:unavailable',
        title: 'unavailable',
        status: 503,
        code: 'UNAVAILABLE',
        request_id: response.headers.get('x-request-id'),
      });
    }
  });

  it('operators find the rest by the request id', () => {
    const failures = logged.filter(({ event }) => event === 'REQUEST_FAILED');
    expect(failures.length).toBeGreaterThanOrEqual(2);
    for (const fields of failures) {
      expect(fields).toMatchObject({
        code: 'UNAVAILABLE',
        error: { code: 'ECONNREFUSED' },
      });
      const served = logged.find(
        (line) => line['event'] === 'REQUEST_SERVED' && line['request_id'] === fields['request_id'],
      );
      expect(served).toMatchObject({ status: 503, operation: fields['operation'] });
      expect(JSON.stringify(fields)).not.toContain('hunter2');
    }
  });
});

it('a database that takes connections and says nothing is away too', {
  timeout: 30_000,
}, async () => {
  const sockets: Socket[] = [];
  const mute = createServer((socket) => sockets.push(socket));
  await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
  const { port } = mute.address() as AddressInfo;
  const api = await startTestApi({ url: `postgres://user:hunter2@127.0.0.1:${port}/cf` } as never);
  try {
    const response = await fetch(`${api.server.url}/api/v1/callbacks/0123456789abcdef/complete`, {
      method: 'POST',
    });
    expect(response.status).toBe(503);
    expect(await response.text()).not.toContain('hunter2');
  } finally {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => mute.close(resolve));
    await api.close();
  }
});
