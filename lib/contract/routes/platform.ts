import * as Type from 'typebox';
import type { Route } from '../route.ts';
import { AnyJson, closed, oneOf } from '../schemas/common.ts';

export const platformRoutes = {
  getWorkflowSchema: {
    method: 'GET',
    path: '/api/v1/schemas/workflow',
    tag: 'platform',
    tenant: 'none',
    permission: 'public',
    summary: 'get the JSON Schema of definitions, for editors',
    response: AnyJson,
    status: 200,
    idempotent: 'natural',
    errors: [],
  },
  getOpenApi: {
    method: 'GET',
    path: '/openapi.json',
    tag: 'platform',
    tenant: 'none',
    permission: 'public',
    summary: 'get this API as OpenAPI 3.1',
    response: AnyJson,
    status: 200,
    idempotent: 'natural',
    errors: [],
  },
  getHealth: {
    method: 'GET',
    path: '/healthz',
    tag: 'platform',
    tenant: 'none',
    permission: 'public',
    summary: 'whether the process answers',
    response: closed({ status: oneOf(['ok']) }),
    status: 200,
    idempotent: 'natural',
    errors: [],
  },
  getReadiness: {
    method: 'GET',
    path: '/readyz',
    tag: 'platform',
    tenant: 'none',
    permission: 'public',
    summary: 'whether what it depends on answers',
    description: '503 with code UNAVAILABLE while a dependency does not answer.',
    response: closed({
      status: oneOf(['ok']),
      checks: Type.Unsafe<{ readonly [name: string]: 'ok' }>({
        type: 'object',
        additionalProperties: { enum: ['ok'] },
      }),
    }),
    status: 200,
    idempotent: 'natural',
    errors: [],
  },
} as const satisfies Record<string, Route>;
