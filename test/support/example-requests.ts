import { type OperationId, type Routes, routeOf } from '#contract/routes.ts';
import type { Json } from '#core/json.ts';
import { aDefinition } from './api.ts';

/** A body of every operation that takes one: an operation without an example here does not compile. */
type OfBodies = {
  [Id in OperationId]: Routes[Id] extends { readonly body: unknown } ? Id : never;
}[OperationId];

export const CONNECTION = {
  type: 'postgres',
  host: 'db.example.com',
  database: 'shop',
  login: { username: 'cloudflow', secret: 'shop-password' },
} as const;
const PROOF = `cfx_${'A'.repeat(43)}`;
export const PROVIDER = {
  enabled: true,
  protocol: {
    kind: 'oidc',
    issuer: 'https://id.example.com',
    client_id: 'cloudflow',
    client_auth: 'client_secret_basic',
  },
  email_domains: ['example.com'] as string[],
  default_roles: null,
  trusts_mfa: false,
} as const;
export const STATEMENT = { access: 'read', statement: 'select 1 as one' } as const;

export const BODIES: { readonly [Id in OfBodies]: Json } = {
  createWorkflow: aDefinition({ workflow_id: 'mine' }),
  validateWorkflow: aDefinition(),
  updateWorkflow: aDefinition({ version: '1.0.1' }),
  executeWorkflow: { input: 1 },
  pauseWorkflow: { reason: 'x' },
  setWorkflowLimits: { concurrency: 1 },
  setLimits: { concurrency: 1 },
  startBulkOperation: { action: 'cancel', dry_run: true },
  cancelExecution: {},
  retryExecution: {},
  answerApproval: { decision: 'approved' },
  redriveDeadLetter: {},
  discardDeadLetter: { reason: 'seen' },
  completeCallback: { result: 1 },
  failCallback: {},
  createConnection: { name: 'mine', connection: CONNECTION, secrets: { 'shop-password': 'x' } },
  updateConnection: { connection: CONNECTION },
  createOperation: { name: 'mine', ...STATEMENT },
  updateOperation: STATEMENT,
  login: { tenant: 'nowhere', email: 'ada@example.com', password: 'x' },
  verifySecondFactor: { mfa_token: PROOF, code: '123456' },
  confirmTotp: { code: '123456' },
  removeTotp: { code: '123456' },
  stepUp: { code: '123456' },
  refreshTokens: { refresh_token: PROOF },
  changePassword: { current_password: 'x', new_password: 'y' },
  changeAddress: { email: 'ada@example.com', current_password: 'x' },
  confirmAddress: { token: PROOF },
  forgotPassword: { tenant: 'nowhere', email: 'ada@example.com' },
  resetPassword: { token: PROOF, new_password: 'a long walk in the rain' },
  acceptInvitation: { token: PROOF, password: 'a long walk in the rain' },
  inviteUser: { email: 'grace@example.com', roles: [] },
  updateUser: { name: null, roles: [] },
  updateProfile: { name: null, preferences: {} },
  createRole: { name: 'mine', about: '', scopes: [] },
  updateRole: { about: '', scopes: [] },
  updateTenant: { name: 'mine', settings: { mfa: 'off' } },
  createApiKey: { name: 'mine', mode: 'test', scopes: ['workflow:read'] },
  rotateApiKey: {},
  createIdentityProvider: { name: 'mine', ...PROVIDER, client_secret: 'x' },
  updateIdentityProvider: PROVIDER,
  finishSamlSignIn: { SAMLResponse: 'bm90aGluZw==', RelayState: 'nothing' },
  exchangeSignIn: { code: PROOF, code_verifier: 'v'.repeat(43) },
  linkIdentity: { code: PROOF, code_verifier: 'v'.repeat(43) },
};

/** Queries of those that ask for one. */
export const QUERIES: { readonly [Id in OperationId]?: string } = {
  beginSignIn: `?return_to=http://127.0.0.1:1/callback&code_challenge=${'c'.repeat(43)}`,
  finishSignIn: '?state=nothing',
};

export function bodyText(id: OperationId, body: Json): string {
  if (routeOf(id).form !== true) return JSON.stringify(body);
  return new URLSearchParams(body as Record<string, string>).toString();
}

export function pathOf(id: OperationId, values: Readonly<Record<string, string>>): string {
  return routeOf(id).path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`no example for the path parameter ${name}`);
    return value;
  });
}
