import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GUARDING_HEADERS } from '#contract/guarding-headers.ts';
import { isTenantWide, PERMISSIONS, type Permission } from '#contract/permissions.ts';
import { bodyType } from '#contract/route.ts';
import { type OperationId, operationIds, routeOf, routes } from '#contract/routes.ts';
import { createChecks } from '#contract/validate.ts';
import type { Json } from '#core/json.ts';
import { makeApiKey } from '#services/identity/api-key.ts';
import { aDefinition, startTestApi, type TestApi } from '#test/support/api.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  withoutRowSecurity,
} from '#test/support/database.ts';
import { layDeadLetter } from '#test/support/events.ts';
import {
  BODIES,
  bodyText,
  CONNECTION,
  PROVIDER,
  pathOf,
  QUERIES,
  STATEMENT,
} from '#test/support/example-requests.ts';
import { createPeople, type People } from '#test/support/people.ts';

/**
 * Who may do what, generated from the contract: a new route is covered the day it appears, and one
 * that takes a body does not compile until it has an example here.
 */
const checks = createChecks(routes);
/** What browsers and strangers are told who prove nothing: where it is not 401, for nothing is refused. */
const UNPROVEN: { readonly [Id in OperationId]?: number } = {
  // Whoever forgot a password is told nothing at all.
  forgotPassword: 204,
  // No tenant has this name.
  beginSignIn: 404,
  getSamlMetadata: 404,
};

/** Path parameters of things that really are there, of tenant one in mode live. */
const REAL: Record<string, string> = {
  workflow_id: 'greeting',
  version: '1.0.0',
  connection: 'shop',
  operation: 'count-orders',
  role: 'helper',
  token: `cfcb_${'A'.repeat(43)}`,
  tenant: 'nowhere',
  provider: 'okta',
};

const ofCallers = operationIds.filter((id) => routeOf(id).tenant === 'caller');
const guarded = ofCallers.filter((id) => !['self', 'known'].includes(routeOf(id).permission));
const aboutSelf = ofCallers.filter((id) => routeOf(id).permission === 'self');
const proven = operationIds.filter((id) => routeOf(id).tenant === 'proof');
const ofNobody = operationIds.filter((id) => routeOf(id).tenant === 'none');
/** Whatever is wrong with a request is told, where who calls is known or need not be. */
const open = [...ofCallers, ...proven, ...ofNobody];
const isForUsers = (id: OperationId) => routeOf(id).permission === 'self';
/** Their bodies have a check and a code of their own. */
const DEFINITIONS: ReadonlySet<OperationId> = new Set([
  'createWorkflow',
  'updateWorkflow',
  'validateWorkflow',
]);
const withIds = guarded.filter((id) => routeOf(id).params !== undefined);

/**
 * Two walls stand behind each other: what statements ask for, and row-level security. Each must hold
 * alone, so everything below is seen with both, and again without the second.
 */
describe.each(['with row-level security', 'by what statements ask for alone'])('%s', (walls) => {
  describeWithPostgres('the walls of the API', () => {
    let api: TestApi;
    let one: string;
    let oneTest: string;
    let two: string;
    let token: string;
    let keysWithout: Map<Permission, string>;
    let people: People;

    beforeAll(async () => {
      const database = await createTestDatabase();
      if (walls !== 'with row-level security') await withoutRowSecurity(database);
      api = await startTestApi(database);
      const tenant = await api.createTenant();
      const other = await api.createTenant();
      one = await api.createKey(tenant, ['*']);
      oneTest = await api.createKey(tenant, ['*'], { mode: 'test' });
      two = await api.createKey(other, ['*']);
      const permissions = Object.keys(PERMISSIONS) as Permission[];
      keysWithout = new Map(
        await Promise.all(
          permissions.map(
            async (missing) =>
              [
                missing,
                await api.createKey(
                  tenant,
                  permissions.filter((permission) => permission !== missing),
                ),
              ] as const,
          ),
        ),
      );
      const client = api.client(one);
      await client.createWorkflow({ body: aDefinition() });
      const { execution_id } = await client.executeWorkflow({ workflow_id: 'greeting' });
      await client.createConnection({
        body: { name: 'shop', connection: CONNECTION, secrets: { 'shop-password': 'secret' } },
      });
      await client.createOperation({
        connection: 'shop',
        body: { name: 'count-orders', ...STATEMENT },
      });
      REAL['execution_id'] = execution_id;
      people = createPeople(api, database);
      const user = await people.user(tenant);
      REAL['user_id'] = user.id;
      REAL['tenant_id'] = tenant;
      REAL['key_id'] = one.slice(9, 17);
      REAL['session_id'] = await people.session(tenant, user.id);
      token = await people.signIn(tenant);
      await client.createIdentityProvider({
        body: { name: 'okta', ...PROVIDER, client_secret: 'secret' },
      });
      await client.createRole({ body: { name: 'helper', about: '', scopes: ['workflow:read'] } });
      const operation = await client.startBulkOperation({ body: { action: 'cancel' } });
      REAL['operation_id'] = operation.id ?? '';
      await api.ownership.requestApproval({
        tenant,
        executionId: execution_id,
        workflowId: 'greeting',
        step: 'greet',
        mode: 'live',
        assignees: ['ada'],
        message: null,
        requestedAt: Date.now(),
        dueAt: Date.now() + 60_000,
      });
      REAL['dead_letter_id'] = await layDeadLetter(database, tenant);
      const approvals = await client.listApprovals();
      REAL['approval_id'] = approvals.items[0]?.id ?? '';
    });
    afterAll(() => api?.close());

    function call(
      id: OperationId,
      key: string | null,
      values = REAL,
      body = (BODIES as Record<string, Json>)[id],
      query = QUERIES[id] ?? '',
    ): Promise<Response> {
      const { method, ifMatch } = routeOf(id);
      return fetch(api.server.url + pathOf(id, values) + query, {
        method,
        headers: {
          ...(key === null ? {} : { authorization: `Bearer ${key}` }),
          ...(body === undefined ? {} : { 'content-type': bodyType(routeOf(id)) }),
          ...(ifMatch === undefined ? {} : { 'if-match': '*' }),
        },
        ...(body === undefined ? {} : { body: bodyText(id, body) }),
      });
    }

    async function problemOf(response: Response) {
      expect(response.headers.get('content-type')).toBe('application/problem+json');
      return (await response.json()) as { code: string; status: number; request_id: string };
    }

    it('every example body fits its contract', () => {
      for (const [id, body] of Object.entries(BODIES)) {
        expect(checks.of(id as OperationId).body?.(body), id).toEqual([]);
      }
      expect(() =>
        checks.parse('listExecutions', { params: {}, query: {}, body: undefined }),
      ).not.toThrow();
    });

    describe.each(guarded)('%s', (id) => {
      it('answers 401 without a key', async () => {
        const response = await call(id, null);
        expect(response.status).toBe(401);
        expect(response.headers.get('www-authenticate')).toContain('Bearer');
        expect(await problemOf(response)).toMatchObject({ code: 'UNAUTHENTICATED', status: 401 });
      });

      it('answers 403 to a key that may do everything else', async () => {
        const { permission } = routeOf(id);
        const response = await call(id, keysWithout.get(permission as Permission) ?? '');
        expect(response.status).toBe(403);
        expect(await problemOf(response)).toMatchObject({ code: 'PERMISSION_DENIED' });
      });
    });

    describe.each(aboutSelf)('%s', (id) => {
      it('answers 401 without a credential, and 403 to a key, which is no user', async () => {
        expect((await call(id, null)).status).toBe(401);
        expect(await problemOf(await call(id, one))).toMatchObject({ code: 'PERMISSION_DENIED' });
      });
    });

    it.each(ofCallers)('%s, refused to nobody in particular, guards itself', async (id) => {
      const response = await call(id, null);
      expect(response.status).toBe(401);
      expect(Object.fromEntries(response.headers)).toMatchObject({
        ...GUARDING_HEADERS,
        'x-request-id': expect.stringMatching(/^[0-9a-f-]{36}$/),
        'www-authenticate': expect.stringContaining('Bearer'),
      });
      expect(await problemOf(response)).toMatchObject({
        code: 'UNAUTHENTICATED',
        request_id: response.headers.get('x-request-id'),
      });
    });

    describe.each(proven)('%s', (id) => {
      it('refuses a proof that proves nothing, and needs no credential', async () => {
        const response = await call(id, null);
        expect(response.status).toBe(UNPROVEN[id] ?? 401);
      });
    });

    describe.each(withIds)('%s', (id) => {
      it('answers 404 to another tenant', async () => {
        const response = await call(id, two);
        expect(response.status).toBe(404);
        expect(await problemOf(response)).toMatchObject({ code: 'NOT_FOUND', status: 404 });
      });

      const shared = isTenantWide(routeOf(id).permission as Permission);
      it(`answers ${shared ? 403 : 404} to the same tenant in mode test`, async () => {
        const response = await call(id, oneTest);
        const code = shared ? 'PERMISSION_DENIED' : 'NOT_FOUND';
        expect(await problemOf(response)).toMatchObject({ code });
      });
    });

    it('the same requests find what they name when its owner asks', async () => {
      const reads = withIds.filter((id) => routeOf(id).method === 'GET');
      for (const id of reads) {
        const response = await call(id, one);
        expect(response.status, id).toBe(200);
        await response.arrayBuffer();
      }
    });

    // Fields of a form are all text, and pages of other sites may add some.
    const json = open.filter((id) => id in BODIES && routeOf(id).form !== true);
    describe.each(json)('%s', (id) => {
      it.each([
        ['an unknown member', (body: Json) => ({ ...(body as object), tenant_id: 'other' })],
        ['a list', (body: Json) => [body]],
        ['a text', () => 'hello'],
        ['nothing', () => null],
      ] as const)('refuses %s for a body, before anything is done', async (_, spoil) => {
        const body = spoil((BODIES as Record<string, Json>)[id] as Json) as Json;
        const response = await call(id, isForUsers(id) ? token : one, REAL, body);
        if (!DEFINITIONS.has(id)) {
          expect(response.status).toBe(400);
          expect(await problemOf(response)).toMatchObject({ code: 'REQUEST_INVALID' });
        } else if (id === 'validateWorkflow' && response.status === 200) {
          expect(await response.json()).toMatchObject({ valid: false });
        } else {
          expect([400, 422]).toContain(response.status);
          expect((await problemOf(response)).code).toMatch(/^(REQUEST|WORKFLOW)_INVALID$/);
        }
      });
    });

    // Identity providers add parameters of their own.
    const strict = open.filter((id) => id !== 'finishSignIn');
    it.each(strict)('%s refuses a query parameter that it does not know', async (id) => {
      const response = await call(
        id,
        isForUsers(id) ? token : one,
        REAL,
        undefined,
        '?tenant_id=other',
      );
      expect(response.status).toBe(400);
      expect(await problemOf(response)).toMatchObject({ code: 'REQUEST_INVALID' });
    });

    // No client sends a body with a GET.
    const without = ofCallers.filter(
      (id) => routeOf(id).body === undefined && routeOf(id).method !== 'GET',
    );
    it.each(without)('%s refuses a body, for it takes none', async (id) => {
      const { method } = routeOf(id);
      const response = await fetch(api.server.url + pathOf(id, REAL), {
        method,
        headers: {
          authorization: `Bearer ${isForUsers(id) ? token : one}`,
          'content-type': 'application/json',
          'if-match': '*',
        },
        body: '{"tenant_id":"other"}',
      });
      expect(response.status).toBe(400);
      expect(await problemOf(response)).toMatchObject({ code: 'REQUEST_INVALID' });
    });

    it('an answer about another tenant is the same as one about nothing', async () => {
      const foreign = await problemOf(await call('getConnection', two));
      const nothing = await problemOf(
        await call('getConnection', two, { ...REAL, connection: 'nothing' }),
      );
      expect({ ...foreign, request_id: '' }).toEqual({ ...nothing, request_id: '' });
    });

    it('callbacks answer 404 to a token that nobody handed out, and need no key', async () => {
      for (const id of operationIds.filter((each) => routeOf(each).tenant === 'token')) {
        const response = await call(id, null);
        expect(response.status, id).toBe(404);
      }
    });

    describe('keys', () => {
      const junk: [string, () => string][] = [
        ['an empty credential', () => ''],
        ['another scheme', () => 'Basic YTpi'],
        [
          'a key with a wrong checksum',
          () => `Bearer ${one.slice(0, -1)}${one.endsWith('A') ? 'B' : 'A'}`,
        ],
        [
          'a key of the right form that nobody has',
          () => 'Bearer cfk_live_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',
        ],
        [
          'a live key dressed as a test key',
          () => `Bearer ${one.replace('cfk_live_', 'cfk_test_')}`,
        ],
        ['a key with blanks', () => `Bearer  ${one}`],
        ['ten thousand characters', () => `Bearer ${'x'.repeat(10_000)}`],
      ];
      it.each(junk)('%s is refused', async (_, credential) => {
        const response = await fetch(`${api.server.url}/api/v1/workflows`, {
          headers: { authorization: credential() },
        });
        expect(response.status).toBe(401);
      });

      it('a key with the id of another and a right checksum is refused', async () => {
        const letters = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
        const guessed = makeApiKey('live', (count) =>
          Uint8Array.from({ length: count }, (_, i) =>
            i < 8 ? letters.indexOf(one.charAt(9 + i)) : i,
          ),
        );
        expect(guessed.keyId).toBe(one.slice(9, 17));
        expect((await call('listWorkflows', guessed.text)).status).toBe(401);
      });

      it('an expired key is refused', async () => {
        const tenant = await api.createTenant();
        const key = await api.createKey(tenant, ['*'], { expiresAt: Date.now() - 1 });
        expect((await call('listWorkflows', key)).status).toBe(401);
      });

      it('a revoked key is refused', async () => {
        const tenant = await api.createTenant();
        const key = await api.createKey(tenant, ['*']);
        await api.apiKeys.revoke(tenant, key.slice(9, 17), Date.now());
        expect((await call('listWorkflows', key)).status).toBe(401);
      });

      it('a wildcard of one area allows that area and no other', async () => {
        const tenant = await api.createTenant();
        const key = await api.createKey(tenant, ['workflow:*']);
        expect((await call('listWorkflows', key)).status).toBe(200);
        expect((await call('listConnections', key)).status).toBe(403);
      });
    });
  });
});
