import { request } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLocalMetrics } from '#adapters/metrics/local-metrics.ts';
import { CALLBACKS_PER_MINUTE } from '#core/rate-limits.ts';
import { aDefinition, startTestApi, type TestApi } from '#test/support/api.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';

const CALLBACK = {
  id: 'ask',
  type: 'callback',
  config: { request: { url: 'https://shop.example/' }, timeout: '1h' },
};

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Readonly<Record<string, unknown>>;
}

describeWithPostgres('how often callbacks may be answered', () => {
  let database: TestDatabase;
  const apis: TestApi[] = [];
  const tokens = new Map<string, string>();
  const metrics = createLocalMetrics();
  const start = async (source?: number): Promise<TestApi> => {
    const api = await startTestApi(database, {
      metrics,
      rates: { caller: 1_000_000, tenant: 1_000_000, ...(source === undefined ? {} : { source }) },
      performer: {
        call: async (call) => {
          if (call.callback !== undefined) tokens.set(call.executionId, call.callback.token);
          return { ok: true, output: null, compensation: null };
        },
        compensate: async () => ({ ok: true }),
      },
    });
    apis.push(api);
    return api;
  };
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(async () => {
    for (const api of apis) await api.close();
  });

  /** A step that waits for its callback. */
  async function waiting(api: TestApi, tenant?: string): Promise<{ token: string; id: string }> {
    const client = api.client(await api.createKey(tenant ?? (await api.createTenant()), ['*']));
    await client.createWorkflow({ body: aDefinition({ steps: [CALLBACK] }) });
    const started = await client.executeWorkflow({ workflow_id: 'greeting', body: {} });
    const id = started.execution_id;
    for (let i = 0; i < 800; i++) {
      const { items } = await client.listEvents({ execution_id: id });
      const token = tokens.get(id);
      if (token !== undefined && items.some(({ type }) => type === 'step_suspended')) {
        return { token, id };
      }
      await pause(15);
    }
    throw new Error('the callback was never handed out');
  }

  /** From a loopback address of its own, as from a network of its own. */
  function post(api: TestApi, token: string, what: string, localAddress: string): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const url = `${api.server.url}/api/v1/callbacks/${token}/${what}`;
      const sent = request(url, { method: 'POST', localAddress, agent: false }, (response) => {
        const { statusCode: status = 0, headers } = response;
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (part: string) => {
          text += part;
        });
        response.on('end', () => resolve({ status, headers, body: JSON.parse(text) }));
      });
      sent.on('error', reject);
      sent.end();
    });
  }
  async function posts(count: number, once: () => Promise<Answer>): Promise<Answer[]> {
    const answers: Answer[] = [];
    for (let i = 0; i < count; i += 20) {
      const some = Array.from({ length: Math.min(20, count - i) }, once);
      answers.push(...(await Promise.all(some)));
    }
    return answers;
  }
  const nobodys = (i: number) => `cfcb_${String(i).padStart(43, 'x')}`;

  it('is told with every answer, by network, token and tenant', async () => {
    const api = await start();
    const { token } = await waiting(api);
    const { status, headers } = await post(api, token, 'heartbeat', '127.0.0.2');
    expect(status).toBe(202);
    expect(headers['ratelimit-policy']).toBe(
      `"source";q=6000;w=60, "token";q=${CALLBACKS_PER_MINUTE};w=60, "tenant";q=1000000;w=60`,
    );
    expect(headers['ratelimit']).toMatch(
      new RegExp(`^"source";r=5999;t=\\d+, "token";r=${CALLBACKS_PER_MINUTE - 1};t=\\d+, "tenant"`),
    );
  });

  it('ends for one token, wherever it comes from, and for no other of its tenant', async () => {
    const api = await start();
    const tenant = await api.createTenant();
    const one = await waiting(api, tenant);
    let at = 0;
    const answers = await posts(CALLBACKS_PER_MINUTE + 5, () => {
      at += 1;
      return post(api, one.token, 'heartbeat', `127.0.0.${2 + (at % 7)}`);
    });
    const found = answers.map(({ status }) => status).filter((status) => status !== 202);
    expect(found).toEqual([429, 429, 429, 429, 429]);
    const refused = await post(api, one.token, 'complete', '127.0.0.9');
    expect(refused.status).toBe(429);
    expect(refused.body).toMatchObject({ code: 'RATE_LIMITED', policy: 'token' });
    expect(Number(refused.headers['retry-after'])).toBeGreaterThanOrEqual(1);
    expect(refused.body['detail']).not.toContain(one.token);
    // Nothing was done for it.
    const client = api.client(await api.createKey(tenant, ['*']));
    expect(await client.getExecution({ execution_id: one.id })).toMatchObject({
      status: 'RUNNING',
    });
    const again = await client.executeWorkflow({ workflow_id: 'greeting', body: {} });
    await expect.poll(() => tokens.get(again.execution_id), { timeout: 20_000 }).toBeDefined();
    const other = tokens.get(again.execution_id) ?? '';
    await expect
      .poll(async () => (await post(api, other, 'heartbeat', '127.0.0.9')).status, {
        timeout: 20_000,
      })
      .toBe(202);
    expect(metrics.text()).toMatch(/rate_limited\S*token\S* \d+$/m);
  });

  it('ends for one network that tries tokens, before anything is looked up, and for no other', async () => {
    const api = await start(30);
    const { token } = await waiting(api);
    let guess = 0;
    const answers = await posts(40, () => post(api, nobodys(guess++), 'complete', '127.0.0.3'));
    const counts = (status: number) => answers.filter((one) => one.status === status).length;
    expect([counts(404), counts(429)]).toEqual([30, 10]);
    const refused = await post(api, token, 'complete', '127.0.0.3');
    expect(refused).toMatchObject({ status: 429, body: { policy: 'source' } });
    expect(refused.headers['ratelimit-policy']).toBe('"source";q=30;w=60');
    expect((await post(api, token, 'complete', '127.0.0.4')).status).toBe(202);
  });

  it('is what its tenant says for all its callers together', async () => {
    const api = await start();
    const tenant = await api.createTenant();
    const { token } = await waiting(api, tenant);
    await database.admin.query(
      `update tenants set settings = settings || '{"requests_per_minute": 1}' where id = $1`,
      [tenant],
    );
    const refused = await post(api, token, 'heartbeat', '127.0.0.5');
    expect(refused).toMatchObject({ status: 429, body: { policy: 'tenant' } });
  });

  describe('what cannot be a token', () => {
    it('is refused by its form, without being counted', async () => {
      const api = await start();
      const { status, headers } = await post(api, 'nonsense', 'complete', '127.0.0.6');
      expect(status).toBe(400);
      expect(headers['ratelimit']).toBeUndefined();
    });
  });
});
