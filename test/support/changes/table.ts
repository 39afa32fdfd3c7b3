import { createHash } from 'node:crypto';
import { TOTP } from 'otpauth';
import { expect } from 'vitest';
import type { OperationId, Routes } from '#contract/routes.ts';
import { aDefinition } from '#test/support/api.ts';
import { layDeadLetter } from '#test/support/events.ts';
import { visit } from '#test/support/saml/idp.ts';
import { type CallOf, type Home, PASSWORD, RETURN_TO } from './home.ts';
import {
  CALL,
  CONNECTION,
  callback,
  connection,
  INVITATION,
  KEY,
  key,
  LONG,
  NAP,
  operation,
  PROVIDER,
  ROLE,
  SAML,
  STATEMENT,
  self,
} from './pieces.ts';

/** What the contract says changes something. */
export type ChangeId = {
  [Id in OperationId]: Routes[Id]['audit'] extends 'change' ? Id : never;
}[OperationId];

/** How each change is made with success. A new one does not compile until it has a row here. */
export const CHANGES: {
  readonly [Id in ChangeId]: (home: Home) => Promise<CallOf<Id>>;
} = {
  createWorkflow: async () => ({ body: aDefinition() as never }),
  updateWorkflow: async (home) => ({
    params: { workflow_id: await home.workflow() },
    body: aDefinition({ version: '1.0.1' }) as never,
  }),
  deleteWorkflow: async (home) => ({ params: { workflow_id: await home.workflow() } }),
  pauseWorkflow: async (home) => ({
    params: { workflow_id: await home.workflow() },
    body: { reason: 'the shop is down' },
  }),
  resumeWorkflow: async (home) => {
    const workflow_id = await home.workflow();
    await home.owner.pauseWorkflow({ workflow_id, body: {} });
    return { params: { workflow_id } };
  },
  setWorkflowLimits: async (home) => ({
    params: { workflow_id: await home.workflow() },
    body: { concurrency: 1 },
  }),
  setLimits: async () => ({ body: { concurrency: 1 } }),
  executeWorkflow: async (home) => ({
    params: { workflow_id: await home.workflow() },
    body: { input: { name: 'Ada' }, labels: { team: 'growth' } },
  }),
  cancelExecution: async (home) => ({
    params: { execution_id: await home.execution(NAP) },
    body: { reason: 'ordered by mistake' },
  }),
  pauseExecution: async (home) => ({ params: { execution_id: await home.execution(NAP) } }),
  resumeExecution: async (home) => {
    const execution_id = await home.execution(NAP);
    await home.owner.pauseExecution({ execution_id });
    return { params: { execution_id } };
  },
  releaseExecution: async (home) => {
    const execution_id = await home.execution(NAP);
    await expect.poll(() => home.quarantined(execution_id), LONG).toBe(true);
    return { params: { execution_id } };
  },
  retryExecution: async (home) => {
    const execution_id = await home.execution(CALL);
    const status = async () => (await home.owner.getExecution({ execution_id })).status;
    await expect.poll(status, LONG).toBe('FAILED');
    return { params: { execution_id }, body: {} };
  },
  startBulkOperation: async () => ({ body: { action: 'cancel' } }),
  cancelBulkOperation: async (home) => {
    const { id } = await home.owner.startBulkOperation({ body: { action: 'cancel' } });
    return { params: { operation_id: id as string } };
  },
  answerApproval: async (home) => {
    const executionId = await home.execution(NAP);
    const now = home.platform.api.clock.now();
    await home.platform.api.ownership.requestApproval({
      ...{ tenant: home.tenant, executionId, workflowId: 'greeting', step: 'nap', mode: 'live' },
      ...{ assignees: ['ada'], message: null, requestedAt: now, dueAt: now + 3_600_000 },
    });
    const { items } = await home.owner.listApprovals();
    return {
      params: { approval_id: items[0]?.id as string },
      body: { decision: 'approved', comment: 'checked with sales' },
    };
  },
  completeCallback: async (home) => ({
    ...{ params: { token: await callback(home) }, credential: null, actor: 'callback' },
    body: { result: { settled: true } },
  }),
  failCallback: async (home) => ({
    ...{ params: { token: await callback(home) }, credential: null, actor: 'callback' },
    body: { code: 'Shop.Closed', message: 'come tomorrow' },
  }),
  createConnection: async () => ({ body: { name: 'shop', ...CONNECTION } }),
  updateConnection: async (home) => ({
    params: { connection: await connection(home) },
    body: CONNECTION,
  }),
  deleteConnection: async (home) => ({ params: { connection: await connection(home) } }),
  createOperation: async (home) => ({
    params: { connection: await connection(home) },
    body: { name: 'count-orders', ...STATEMENT },
  }),
  updateOperation: async (home) => ({ params: await operation(home), body: STATEMENT }),
  deleteOperation: async (home) => ({ params: await operation(home) }),

  login: async (home) => {
    const { email, id } = await home.person();
    return {
      ...{ credential: null, actor: `user:${id}` },
      body: { tenant: home.slug, email, password: PASSWORD, device: 'a laptop' },
    };
  },
  verifySecondFactor: async (home) => {
    const person = await home.withAuthenticator();
    const half = await home.login(person);
    const mfa_token = 'mfa_token' in half ? half.mfa_token : '';
    return {
      ...{ credential: null, actor: `user:${person.id}` },
      body: { mfa_token, code: person.code },
    };
  },
  refreshTokens: async (home) => {
    const { id, refresh } = await home.signedIn();
    return { credential: null, actor: `user:${id}`, body: { refresh_token: refresh } };
  },
  enrolTotp: async (home) => self(await home.signedIn()),
  confirmTotp: async (home) => {
    const person = await home.signedIn();
    const { secret } = await home.platform.api.client(person.token).enrolTotp();
    const timestamp = home.platform.api.clock.now();
    return { ...self(person), body: { code: new TOTP({ secret }).generate({ timestamp }) } };
  },
  removeTotp: async (home) => {
    const person = await home.withAuthenticator();
    return { ...self(person), body: { code: person.code } };
  },
  stepUp: async (home) => {
    const person = await home.withAuthenticator();
    return { ...self(person), body: { code: person.code } };
  },
  logout: async (home) => self(await home.signedIn()),
  changePassword: async (home) => ({
    ...self(await home.signedIn()),
    body: { current_password: PASSWORD, new_password: 'a short walk in the sun' },
  }),
  changeAddress: async (home) => ({
    ...self(await home.signedIn()),
    body: { current_password: PASSWORD, email: 'elsewhere@example.org' },
  }),
  confirmAddress: async (home) => {
    const person = await home.signedIn();
    const body = { current_password: PASSWORD, email: 'elsewhere@example.org' };
    await home.platform.api.client(person.token).changeAddress({ body });
    return {
      ...{ credential: null, actor: `user:${person.id}` },
      body: { token: await home.mailed('identity.confirm_address') },
    };
  },
  forgotPassword: async (home) => {
    const { email } = await home.person();
    // Anybody may ask: nobody has proven who they are.
    return { credential: null, actor: 'unknown', body: { tenant: home.slug, email } };
  },
  resetPassword: async (home) => {
    const { id, email } = await home.person();
    await home.platform.api.client('').forgotPassword({ body: { tenant: home.slug, email } });
    const token = await home.mailed('identity.reset_password');
    const new_password = 'a short walk in the sun';
    return { credential: null, actor: `user:${id}`, body: { token, new_password } };
  },
  acceptInvitation: async (home) => {
    const { user_id } = await home.owner.inviteUser({ body: INVITATION });
    const token = await home.mailed('identity.invitation');
    return {
      ...{ credential: null, actor: `user:${user_id}` },
      body: { token, password: PASSWORD, name: 'Grace Hopper' },
    };
  },
  exchangeSignIn: async (home) => ({
    ...{ credential: null, actor: /^user:/ },
    body: { ...(await home.codeFrom(await home.connected())), device: 'a laptop' },
  }),
  linkIdentity: async (home) => {
    const provider = await home.connected();
    const person = await home.withAuthenticator({ roles: ['owner'] });
    return { ...self(person), body: await home.codeFrom(provider) };
  },
  finishSamlSignIn: async (home) => {
    const { saml, api } = home.platform;
    await home.owner.createIdentityProvider({ body: SAML(saml) });
    await saml.tell({
      nameId: 'ada-at-corp',
      attributes: { email: ['ada@example.com'], name: ['Ada Lovelace'] },
      now: api.clock.now(),
    });
    const query = new URLSearchParams({
      return_to: RETURN_TO,
      code_challenge: createHash('sha256').update('v'.repeat(43)).digest('base64url'),
      state: 'mine',
    });
    const begun = await fetch(`${api.server.url}/api/v1/auth/sso/${home.slug}/corp?${query}`, {
      redirect: 'manual',
    });
    const { fields } = await visit(begun.headers.get('location') ?? '');
    return {
      ...{ params: { tenant: home.slug, provider: 'corp' }, credential: null },
      // Whoever it is has signed in once the program has traded its code.
      ...{ body: fields, actor: /^user:|^unknown$/ },
      cookie: begun.headers.get('set-cookie')?.split(';')[0] ?? '',
    };
  },
  createIdentityProvider: async () => ({ body: PROVIDER }),
  updateIdentityProvider: async (home) => {
    const { name, ...settings } = PROVIDER;
    await home.owner.createIdentityProvider({ body: PROVIDER });
    return { params: { provider: name }, body: settings };
  },
  deleteIdentityProvider: async (home) => ({ params: { provider: await home.connected() } }),

  inviteUser: async () => ({ body: INVITATION }),
  inviteAgain: async (home) => {
    const { user_id } = await home.owner.inviteUser({ body: INVITATION });
    return { params: { user_id } };
  },
  updateProfile: async (home) => ({
    ...self(await home.signedIn()),
    body: { name: 'Ada Lovelace', preferences: { locale: 'de', time_zone: 'Europe/Berlin' } },
  }),
  updateUser: async (home) => ({
    params: { user_id: (await home.person()).id },
    body: { name: 'Ada Lovelace', roles: ['author'] },
  }),
  deactivateUser: async (home) => ({ params: { user_id: (await home.person()).id } }),
  activateUser: async (home) => {
    const user_id = (await home.person()).id;
    await home.owner.deactivateUser({ user_id });
    return { params: { user_id } };
  },
  resetSecondFactor: async (home) => ({
    params: { user_id: (await home.withAuthenticator()).id },
  }),
  removeMyIdentity: async (home) => {
    const person = await home.enrolled(await home.signIn(await home.linked()));
    return { ...self(person), params: { provider: 'corp' } };
  },
  removeIdentity: async (home) => ({
    params: { user_id: (await home.linked()).id, provider: 'corp' },
  }),
  createRole: async () => ({ body: ROLE }),
  updateRole: async (home) => {
    const { name, ...body } = ROLE;
    await home.owner.createRole({ body: ROLE });
    return { params: { role: name }, body };
  },
  deleteRole: async (home) => {
    await home.owner.createRole({ body: ROLE });
    return { params: { role: ROLE.name } };
  },
  updateTenant: async (home) => ({
    params: { tenant_id: home.tenant },
    body: { name: 'Acme', settings: { mfa: 'administrative' } },
  }),
  createApiKey: async () => ({ body: KEY }),
  rotateApiKey: async (home) => ({ params: { key_id: await key(home) }, body: {} }),
  revokeApiKey: async (home) => ({ params: { key_id: await key(home) } }),
  revokeMySessions: async (home) => self(await home.signedIn()),
  revokeMySession: async (home) => {
    const person = await home.signedIn();
    return { ...self(person), params: { session_id: person.session } };
  },
  revokeSession: async (home) => ({ params: { session_id: (await home.signedIn()).session } }),
  redriveDeadLetter: async (home) => ({
    params: { dead_letter_id: await layDeadLetter(home.platform.database, home.tenant) },
    body: { reason: 'it was mended' },
  }),
  discardDeadLetter: async (home) => ({
    params: { dead_letter_id: await layDeadLetter(home.platform.database, home.tenant) },
    body: { reason: 'seen' },
  }),
};
