import type { Body, OperationId, Params, Query } from './routes.ts';

/** A call as somebody would make it. A test holds each against the contract and the language. */
export interface Example<Id extends OperationId> {
  readonly params?: Params<Id>;
  readonly query?: { readonly [Name in keyof Query<Id>]?: unknown };
  readonly body?: Body<Id>;
  readonly idempotencyKey?: string;
}

const EXECUTION = '019396f2-7a10-7c3e-8f21-5b7d0c9e4a61';

/** The ten operations that are used most. */
export const EXAMPLES: { readonly [Id in OperationId]?: Example<Id> } = {
  createWorkflow: {
    body: {
      workflow_id: 'welcome',
      version: '1.0.0',
      steps: [
        {
          id: 'greet',
          type: 'http_request',
          config: {
            connection: 'mailer',
            method: 'PUT',
            url: '/members/welcome',
            body: { to: '{% $input.email %}' },
            retry: { max_attempts: 3 },
          },
        },
      ],
    },
  },
  executeWorkflow: {
    params: { workflow_id: 'welcome' },
    body: { input: { email: 'ada@example.com' }, labels: { team: 'growth' } },
    idempotencyKey: 'signup-1042',
  },
  listExecutions: { query: { status: 'FAILED', label: ['team:growth'], limit: 20 } },
  getExecution: { params: { execution_id: EXECUTION } },
  cancelExecution: {
    params: { execution_id: EXECUTION },
    body: { compensate: true, reason: 'ordered by mistake' },
  },
  retryExecution: { params: { execution_id: EXECUTION }, body: { dry_run: true } },
  answerApproval: {
    params: { approval_id: '6d0f4f3e-2b1c-4c55-9a0e-3f8f1c7f2b90' },
    body: { decision: 'approved', comment: 'checked with sales' },
  },
  completeCallback: {
    params: { token: 'dGhlLXRva2VuLW9mLXRoZS1zdGVw' },
    body: { result: { settled: true } },
  },
  createConnection: {
    body: {
      name: 'mailer',
      connection: {
        type: 'http',
        base_url: 'https://mail.example.com/v2',
        auth: { scheme: 'bearer', secret: 'mailer-token' },
      },
      secrets: { 'mailer-token': 'the value, once' },
    },
  },
  createOperation: {
    params: { connection: 'crm' },
    body: {
      name: 'find-account',
      access: 'read',
      statement: 'SELECT id, name FROM accounts WHERE email = :email',
      parameters: {
        type: 'object',
        properties: { email: { type: 'string' } },
        required: ['email'],
      },
    },
  },
};
