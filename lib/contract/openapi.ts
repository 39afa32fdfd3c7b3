import { API_ERRORS, type ApiErrorCode } from '#core/errors.ts';
import type { Json, JsonObject } from '#core/json.ts';
import { CORRELATION_ID, IDEMPOTENCY_KEY } from './request-headers.ts';
import {
  ageOf,
  answerType,
  bodyType,
  errorsOf,
  isForBrowsers,
  type Route,
  TAGS,
  type Tag,
} from './route.ts';
import { type OperationId, operationIds, routeOf } from './routes.ts';
import { ProblemDetails } from './schemas/common.ts';

const TAG_TEXT: { readonly [T in Tag]: string } = {
  workflows: 'definitions and their versions',
  executions: 'starting, watching and operating executions',
  approvals: 'decisions that executions wait for',
  callbacks: 'answers from outside, with a token as the credential',
  connections: 'what steps may reach, and the SQL they may run',
  auth: 'signing in, tokens and passwords',
  sso: 'signing in elsewhere, through an identity provider of the tenant',
  saml: 'answers of identity providers of SAML, which browsers bring',
  'identity-providers': 'where people of a tenant may sign in besides here',
  users: 'people of a tenant, and their profiles',
  roles: 'what people may do',
  tenants: 'settings of a tenant',
  'api-keys': 'credentials of programs',
  sessions: 'where people are signed in',
  audit: 'who did what',
  'dead-letters': 'events that a reader could not use',
  platform: 'the API itself',
};

/** The contract as an OpenAPI 3.1 document. Pure: the same contract gives the same document. */
export function openApiDocument(options: { readonly serverUrl?: string } = {}): JsonObject {
  const paths: Record<string, Record<string, Json>> = {};
  for (const id of operationIds) {
    const route = routeOf(id);
    paths[route.path] = {
      ...paths[route.path],
      [route.method.toLowerCase()]: operation(id, route),
    };
  }
  return {
    openapi: '3.1.0',
    jsonSchemaDialect: 'https://json-schema.org/draft/2020-12/schema',
    info: {
      title: 'CloudFlow',
      version: '1',
      description:
        'Store workflow definitions, run them on either runtime, watch and operate executions. Errors are RFC 9457 problem details; branch on `code`.',
    },
    ...(options.serverUrl === undefined ? {} : { servers: [{ url: options.serverUrl }] }),
    tags: TAGS.map((name) => ({ name, description: TAG_TEXT[name] })),
    paths,
    components: {
      securitySchemes: {
        api_key: {
          type: 'http',
          scheme: 'bearer',
          description: 'an API key, `cfk_live_...` or `cfk_test_...`',
        },
        access_token: {
          type: 'http',
          scheme: 'bearer',
          bearerFormat: 'JWT',
          description: 'what signing in answers',
        },
      },
      schemas: { ProblemDetails: plain(ProblemDetails) },
    },
  };
}

function operation(id: OperationId, route: Route): JsonObject {
  return {
    operationId: id,
    tags: [route.tag],
    summary: route.summary,
    ...described(route),
    security: security(route),
    ...(route.tenant === 'caller' ? { 'x-permission': route.permission } : {}),
    'x-tenant': route.tenant,
    parameters: parameters(route),
    ...(route.body === undefined
      ? {}
      : {
          requestBody: {
            required: route.bodyOptional !== true,
            content: { [bodyType(route)]: { schema: plain(route.body) } },
          },
        }),
    responses: responses(route),
  };
}

function described(route: Route): JsonObject {
  const texts = [route.description, ageOf(route) ?? undefined];
  const description = texts.filter((text) => text !== undefined).join(' ');
  return description === '' ? {} : { description };
}

function security(route: Route): Json[] {
  if (route.tenant !== 'caller') return [];
  return route.permission === 'self'
    ? [{ access_token: [] }]
    : [{ api_key: [] }, { access_token: [] }];
}

function parameters(route: Route): Json[] {
  const list: Json[] = [];
  for (const [name, schema] of Object.entries(route.params?.properties ?? {})) {
    list.push({ name, in: 'path', required: true, schema: plain(schema) });
  }
  const required = new Set((route.query?.required as readonly string[] | undefined) ?? []);
  for (const [name, schema] of Object.entries(route.query?.properties ?? {})) {
    list.push({ name, in: 'query', required: required.has(name), schema: plain(schema) });
  }
  if (route.idempotent === 'key') {
    list.push(header('Idempotency-Key', IDEMPOTENCY_KEY, 'makes a repeat of this call harmless'));
  }
  if (route.ifMatch !== undefined) {
    list.push({
      ...header('If-Match', { type: 'string', maxLength: 256 }, 'the ETag that was seen, or `*`'),
      required: route.ifMatch === 'required',
    });
  }
  list.push(header('X-Correlation-Id', CORRELATION_ID, 'carried into every event of the call'));
  return list;
}

function header(name: string, schema: JsonObject, description: string): JsonObject {
  return { name, in: 'header', required: false, schema, description };
}

const REQUEST_ID: JsonObject = { 'X-Request-Id': { schema: { type: 'string' } } };
const ETAG: JsonObject = { ETag: { schema: { type: 'string' } } };

function responses(route: Route): JsonObject {
  const answers: Record<string, Json> = {};
  const success = (status: number, description: string) => {
    answers[String(status)] = {
      description,
      headers: { ...REQUEST_ID, ...(route.etag === undefined ? {} : ETAG) },
      ...(route.response === null
        ? {}
        : { content: { [answerType(route)]: { schema: plain(route.response) } } }),
    };
  };
  success(route.status, route.summary);
  if (route.alternative !== undefined) success(route.alternative.status, route.alternative.when);
  if (route.etag === 'content' && route.method === 'GET') {
    answers['304'] = { description: 'If-None-Match names the current ETag' };
  }
  for (const [status, codes] of byStatus(errorsOf(route))) {
    answers[String(status)] = {
      description: codes.join(', '),
      headers: REQUEST_ID,
      content: {
        'application/problem+json': { schema: { $ref: '#/components/schemas/ProblemDetails' } },
        ...(isForBrowsers(route) ? { 'text/html': { schema: { type: 'string' } } } : {}),
      },
    };
  }
  return answers;
}

function byStatus(codes: readonly ApiErrorCode[]): [number, ApiErrorCode[]][] {
  const groups = new Map<number, ApiErrorCode[]>();
  for (const code of codes) {
    const { status } = API_ERRORS[code];
    groups.set(status, [...(groups.get(status) ?? []), code]);
  }
  return [...groups].sort(([a], [b]) => a - b);
}

/** Schemas as plain JSON: what TypeBox adds for types alone is not enumerable and falls away. */
function plain(schema: unknown): Json {
  return JSON.parse(JSON.stringify(schema)) as Json;
}
