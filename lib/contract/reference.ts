import type { TSchema } from 'typebox';
import { API_ERRORS, type ApiErrorCode } from '#core/errors.ts';
import { EXAMPLES, type Example } from './examples.ts';
import { PERMISSIONS } from './permissions.ts';
import { ageOf, bodyType, errorsOf, isForBrowsers, type Route, TAGS, type Tag } from './route.ts';
import { type OperationId, operationIds, routeOf } from './routes.ts';
import { answerWords, memberTable, shapesSection, typeWords } from './shapes.ts';

/** The part of docs/api.md that the contract writes; a test keeps the two equal. */
export function apiReference(): string {
  return [
    ...TAGS.flatMap((tag) => [section(tag), '']),
    shapesSection(),
    '',
    '## Permissions',
    '',
    '| permission | allows to |',
    '|---|---|',
    ...Object.entries(PERMISSIONS).map(([name, text]) => `| \`${name}\` | ${text} |`),
    '',
    '## Error codes',
    '',
    '| code | status | a repeat can help |',
    '|---|---|---|',
    ...Object.entries(API_ERRORS).map(
      ([code, { status, retryable }]) =>
        `| \`${code}\` | ${status} | ${retryable ? 'yes' : 'no'} |`,
    ),
    '',
  ].join('\n');
}

function section(tag: Tag): string {
  const ids = operationIds.filter((id) => routeOf(id).tag === tag);
  const title = tag.charAt(0).toUpperCase() + tag.slice(1);
  return [`## ${title}`, ...ids.map((id) => operation(id, routeOf(id)))].join('\n\n');
}

function operation(id: OperationId, route: Route): string {
  const lines = [
    `### \`${route.method} ${route.path}\``,
    '',
    `**${route.summary}** · \`${id}\` · ${credential(route)}`,
  ];
  if (route.description !== undefined) lines.push('', route.description);
  const age = ageOf(route);
  if (age !== null) lines.push('', age);
  lines.push(...parameters(route), ...body(route), ...answers(route));
  const own = errorsOf(route).filter((code) => !COMMON.has(code));
  const page = isForBrowsers(route)
    ? ' Browsers, which ask for HTML, are shown a page instead.'
    : '';
  if (own.length > 0) {
    lines.push('', `Errors: ${own.map((code) => `\`${code}\``).join(', ')}.${page}`);
  }
  lines.push(...example(id, route));
  return lines.join('\n');
}

/** Every operation can answer with these; the introduction says when. */
const COMMON: ReadonlySet<ApiErrorCode> = new Set([
  'REQUEST_INVALID',
  'REQUEST_MALFORMED',
  'REQUEST_TIMEOUT',
  'PAYLOAD_TOO_LARGE',
  'PAYLOAD_TOO_DEEP',
  'UNSUPPORTED_MEDIA_TYPE',
  'UNAUTHENTICATED',
  'PERMISSION_DENIED',
  'RATE_LIMITED',
  'IDEMPOTENCY_KEY_INVALID',
  'IDEMPOTENCY_IN_PROGRESS',
  'IDEMPOTENCY_KEY_REUSED',
  'INTERNAL',
  'UNAVAILABLE',
]);

function credential(route: Route): string {
  switch (route.tenant) {
    case 'caller':
      if (route.permission === 'self') return 'for signed-in users, about themselves';
      if (route.permission === 'known') return 'for any credential';
      return `needs \`${route.permission}\``;
    case 'token':
      return 'the token is the credential';
    case 'proof':
      return route.body === undefined ? 'for browsers on their way' : 'the body is the credential';
    case 'none':
      return 'open to all';
  }
}

function parameters({ params, query }: Route): string[] {
  const lines: string[] = [];
  const inPath = Object.entries(params?.properties ?? {});
  if (inPath.length > 0) {
    const each = inPath.map(([name, schema]) => `\`${name}\` (${typeWords(schema)})`);
    lines.push('', `Path: ${each.join(', ')}.`);
  }
  if (query === undefined) return lines;
  const { limit, cursor, ...filters } = query.properties;
  if (Object.keys(filters).length > 0) {
    const filter = { type: 'object', required: query['required'] ?? [], properties: filters };
    lines.push('', ...memberTable('query', filter as unknown as TSchema, 'required'));
  }
  if (limit !== undefined && cursor !== undefined) {
    const most = `${typeWords(limit)}, default ${(limit as { default?: unknown }).default}`;
    lines.push('', `Pages: \`limit\` (${most}) and \`cursor\`.`);
  }
  return lines;
}

function body(route: Route): string[] {
  const { body: schema, bodyOptional } = route;
  if (schema === undefined) return [];
  const { properties, description } = schema as { properties?: object; description?: string };
  if (properties === undefined) return ['', `Body: ${description ?? 'JSON'}.`];
  const kind = route.form === true ? 'form' : 'body';
  const title = bodyOptional === true ? `${kind} (may be left out)` : kind;
  return ['', ...memberTable(title, schema, 'required')];
}

function answers(route: Route): string[] {
  const parts = [String(route.status)];
  if (route.alternative !== undefined) {
    parts.push(`${route.alternative.status} when ${route.alternative.when}`);
  }
  const { response } = route;
  const shape = response === null ? 'no body' : (answerWords(response) ?? 'an object');
  const etag = route.etag === undefined ? '' : ', and an ETag';
  const match = route.ifMatch === undefined ? '' : `; If-Match is ${route.ifMatch}`;
  const line = `Answers ${parts.join(', or ')}: ${shape}${etag}${match}.`;
  return response === null || shape !== 'an object'
    ? ['', line]
    : ['', line, '', ...memberTable('answer', response, 'optional')];
}

/** The call as a line of a shell. JSON in single quotes: examples hold none of their own. */
function example(id: OperationId, route: Route): string[] {
  const call: Example<OperationId> | undefined = EXAMPLES[id];
  if (call === undefined) return [];
  const path = route.path.replace(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(String((call.params as Record<string, unknown> | undefined)?.[name])),
  );
  const query = Object.entries(call.query ?? {}).map(([name, value]) => `${name}=${value}`);
  const url = `"$BASE_URL${path}${query.length === 0 ? '' : `?${query.join('&')}`}"`;
  const words = [
    `curl -s${route.method === 'GET' ? '' : ` -X ${route.method}`} ${url}`,
    ...(route.tenant === 'caller' ? ['-H "Authorization: Bearer $API_KEY"'] : []),
    ...(call.idempotencyKey === undefined ? [] : [`-H 'Idempotency-Key: ${call.idempotencyKey}'`]),
    ...(call.body === undefined
      ? []
      : [`-H 'Content-Type: ${bodyType(route)}'`, `-d '${JSON.stringify(call.body)}'`]),
  ];
  return ['', '```sh', words.join(' \\\n  '), '```'];
}
