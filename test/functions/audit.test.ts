import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Client } from '#client/client.ts';
import { operationIds, type ResponseBody, routeOf } from '#contract/routes.ts';
import type { Json } from '#core/json.ts';
import { createVirtualClock, type VirtualClock } from '#local/virtual-clock.ts';
import { aDefinition, startTestApi, type TestApi } from '#test/support/api.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import { createPeople, type People } from '#test/support/people.ts';

type Event = ResponseBody<'listAuditEvents'>['items'][number];

const PASSWORD = 'a long walk in the rain';
const UNKNOWN_ID = '01900000-0000-7000-8000-000000000000';

describe('what the contract says of audits', () => {
  it('every change is told, but for what changes nothing of a tenant', () => {
    const untold = operationIds.filter((id) => {
      const { method, audit } = routeOf(id);
      return method !== 'GET' && audit !== 'change';
    });
    // One only checks; the other says that somebody is still at work, many times a minute.
    expect(untold).toEqual(['validateWorkflow', 'heartbeatCallback']);
  });

  it('whoever is shown other people or their executions is told', () => {
    const about = /^\/api\/v1\/(?:users|sessions|executions|approvals|audit)/;
    const untold = operationIds.filter((id) => {
      const { method, path, audit, permission } = routeOf(id);
      return method === 'GET' && about.test(path) && audit !== 'read' && permission !== 'self';
    });
    // A machine is compiled from a definition and holds no data.
    expect(untold).toEqual(['getStateMachine']);
  });
});

describeWithPostgres('the audit trail', () => {
  let database: TestDatabase;
  let clock: VirtualClock;
  let api: TestApi;
  let people: People;
  let tenant: string;
  let slug: string;
  let owner: Client;

  beforeAll(async () => {
    database = await createTestDatabase();
    clock = createVirtualClock({ start: Date.now(), keep: () => Promise.resolve() });
    api = await startTestApi(database, { clock });
    people = createPeople(api, database);
    ({ tenant, slug } = await people.tenant());
    owner = api.client(await api.createKey(tenant, ['*']));
  });
  afterAll(() => api?.close());

  async function post(path: string, body: Json, headers: Record<string, string> = {}) {
    const response = await fetch(api.server.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    return {
      status: response.status,
      requestId: response.headers.get('x-request-id'),
      body: (text === '' ? null : JSON.parse(text)) as { refresh_token: string; code: string },
    };
  }

  async function events(query: Record<string, string> = {}, as = owner): Promise<Event[]> {
    await api.sealAudit();
    return (await as.listAuditEvents({ query: { limit: 200, ...query } })).items;
  }

  it('tells a change with who made it, to what, from where, and its end', async () => {
    const made = await owner.createWorkflow({
      body: aDefinition({ workflow_id: 'audited' }) as never,
    });
    expect(made.workflow_id).toBe('audited');
    const [event] = await events({ operation: 'createWorkflow' });
    expect(event).toMatchObject({
      actor: expect.stringMatching(/^key:/) as string,
      mode: 'live',
      outcome: 'done',
      code: null,
      details: { made: 'workflow:audited/version:1.0.0' },
      source: expect.stringMatching(/127\.0\.0\.1|::1/) as string,
      request_id: expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
    });
  });

  it('tells a refusal, and of a call that nobody may make nothing else', async () => {
    const reader = api.client(await api.createKey(tenant, ['workflow:read']));
    await expect(reader.deleteWorkflow({ workflow_id: 'audited' })).rejects.toMatchObject({
      code: 'PERMISSION_DENIED',
    });
    const [event, ...others] = await events({ operation: 'deleteWorkflow' });
    expect(others).toEqual([]);
    expect(event).toMatchObject({
      outcome: 'refused',
      code: 'PERMISSION_DENIED',
      target: 'workflow:audited',
    });
  });

  it('tells a change that failed on its way', async () => {
    await expect(owner.cancelExecution({ execution_id: UNKNOWN_ID })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
    const [event] = await events({ operation: 'cancelExecution' });
    expect(event).toMatchObject({
      outcome: 'refused',
      code: 'NOT_FOUND',
      target: `execution:${UNKNOWN_ID}`,
    });
  });

  it('tells every route that is refused to a key without permissions', async () => {
    const other = await people.tenant();
    const nobody = await api.createKey(other.tenant, ['approval:answer']);
    const auditor = api.client(await api.createKey(other.tenant, ['audit:read']));
    const refusable = operationIds.filter((id) => {
      const { tenant: rule, permission } = routeOf(id);
      return rule === 'caller' && permission !== 'known' && permission !== 'approval:answer';
    });
    for (const id of refusable) {
      const { method, path } = routeOf(id);
      const filled = path.replaceAll(/\{[a-z_]+\}/g, UNKNOWN_ID);
      const response = await fetch(api.server.url + filled, {
        method,
        headers: { authorization: `Bearer ${nobody}` },
      });
      expect([id, response.status]).toEqual([id, 403]);
    }
    const told = (await events({}, auditor)).map(({ operation }) => operation);
    expect(told.sort()).toEqual([...refusable].sort());
  });

  it('tells signing in, right and wrong, and a refresh token that came again', async () => {
    const user = await people.user(tenant, { password: PASSWORD });
    const signIn = { tenant: slug, email: user.email, password: PASSWORD };
    const wrong = await post('/api/v1/auth/login', { ...signIn, password: 'not this one at all' });
    const right = await post('/api/v1/auth/login', signIn);
    expect([wrong.status, right.status]).toEqual([401, 200]);
    const first = { refresh_token: right.body.refresh_token };
    expect((await post('/api/v1/auth/refresh', first)).status).toBe(200);
    const thief = await post('/api/v1/auth/refresh', first, { 'user-agent': 'somebody else' });
    expect(thief.status).toBe(401);

    const [told, refused] = await events({ operation: 'login' });
    expect(told).toMatchObject({ actor: `user:${user.id}`, outcome: 'done' });
    expect(refused).toMatchObject({
      actor: 'unknown',
      target: `user:${user.id}`,
      outcome: 'refused',
      code: 'CREDENTIALS_INVALID',
      request_id: wrong.requestId,
    });
    const [reused, traded] = await events({ operation: 'refreshTokens' });
    expect(traded).toMatchObject({ actor: `user:${user.id}`, outcome: 'done' });
    expect(reused).toMatchObject({
      actor: 'unknown',
      outcome: 'refused',
      details: { refresh_token: 'reused', session: 'ended', user: user.id },
      client: 'somebody else',
    });
    expect(JSON.stringify(await events())).not.toContain(user.email);
  });

  it('tells of strangers in a chain that no tenant sees, and a flood of them as a number', async () => {
    const before = await strangers();
    await Promise.all(
      Array.from({ length: 120 }, () => fetch(`${api.server.url}/api/v1/workflows`)),
    );
    await clock.advance(1);
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    await fetch(`${api.server.url}/api/v1/workflows`);
    await api.sealAudit();
    const after = (await strangers()).slice(before.length);
    expect(after.length).toBeLessThan(80);
    const untold = after.map(({ details }) => Number(details['not_told_before'] ?? 0));
    expect(after.length + untold.reduce((sum, each) => sum + each, 0)).toBe(121);
    expect(await events({ actor: 'unknown', operation: 'listWorkflows' })).toEqual([]);
  });

  async function strangers(): Promise<{ details: Record<string, unknown> }[]> {
    await api.sealAudit();
    const { rows } = await database.admin.query<{ content: string }>(
      `select content from audit_events where tenant_id = '00000000-0000-0000-0000-000000000000'
         and operation = 'listWorkflows' order by seq`,
    );
    return rows.map(({ content }) => JSON.parse(content) as { details: Record<string, unknown> });
  }

  it('tells who looked at people, once a minute', async () => {
    const user = await people.user(tenant);
    for (let i = 0; i < 5; i++) await owner.getUser({ user_id: user.id });
    expect(await events({ operation: 'getUser', target: `user:${user.id}` })).toHaveLength(1);
  });

  it('makes no change that it cannot tell', async () => {
    await database.admin.query('revoke insert on audit_inbox from cloudflow_app');
    try {
      const refused = await post(
        '/api/v1/roles',
        { name: 'unseen', about: 'made unseen', scopes: [] },
        { authorization: `Bearer ${await api.createKey(tenant, ['*'])}` },
      );
      expect(refused.status).toBe(500);
      // Again and again: what was refused was not a look, and is not one that was told.
      for (let i = 0; i < 2; i++) {
        await expect(owner.listSessions()).rejects.toMatchObject({ code: 'INTERNAL' });
      }
    } finally {
      await database.admin.query('grant insert on audit_inbox to cloudflow_app');
    }
    await expect(owner.getRole({ role: 'unseen' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('filters, pages in both directions, and shows no other tenant', async () => {
    const all = await events();
    const oldest = await events({ order: 'oldest' });
    expect(oldest.map(({ seq }) => seq).slice(0, all.length - 5)).toEqual(
      all
        .map(({ seq }) => seq)
        .reverse()
        .slice(0, all.length - 5),
    );
    const page = await owner.listAuditEvents({ query: { limit: 2, outcome: 'refused' } });
    const next = await owner.listAuditEvents({
      query: { limit: 2, outcome: 'refused', cursor: page.next_cursor ?? '' },
    });
    const seqs = [...page.items, ...next.items].map(({ seq }) => seq);
    expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => b - a));
    const stranger = api.client(await api.createKey(await api.createTenant(), ['*']));
    expect(await events({}, stranger)).toEqual([]);
    await expect(
      stranger.listAuditEvents({ query: { limit: 2, cursor: page.next_cursor ?? '' } }),
    ).rejects.toMatchObject({ code: 'CURSOR_INVALID' });
  });

  it('nobody may change it: not the API, not the engine, and the sealer can only add', async () => {
    for (const role of [
      'cloudflow_app',
      'cloudflow_engine',
      'cloudflow_relay',
      'cloudflow_auditor',
    ]) {
      for (const sql of [
        `update audit_events set content = content`,
        `delete from audit_events`,
        `delete from audit_heads`,
        `update audit_heads set hash = hash`,
        `truncate audit_events`,
      ]) {
        const attempt = database.admin.query(`set role ${role}; ${sql}`);
        await expect(attempt, `${role}: ${sql}`).rejects.toMatchObject({ code: '42501' });
        await database.admin.query('reset role');
      }
    }
  });
});
