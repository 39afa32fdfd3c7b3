import type { TSchema } from 'typebox';
import { API_ERRORS, type ApiErrorCode } from '#core/errors.ts';
import { PERMISSIONS } from './permissions.ts';
import { errorsOf, type Route, TAGS, type Tag } from './route.ts';
import { type OperationId, operationIds, routeOf } from './routes.ts';

/** The part of docs/api.md that the contract writes; a test keeps the two equal. */
export function apiReference(): string {
  return [
    ...TAGS.flatMap((tag) => [section(tag), '']),
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
  lines.push(...table('query', route.query), ...table('body', route.body, route.bodyOptional));
  lines.push('', `Answers ${answers(route)}.`);
  const own = errorsOf(route).filter((code) => !COMMON.has(code));
  if (own.length > 0) lines.push('', `Errors: ${own.map((code) => `\`${code}\``).join(', ')}.`);
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
      return `needs \`${route.permission}\``;
    case 'token':
      return 'the token is the credential';
    case 'none':
      return 'open to all';
  }
}

function answers(route: Route): string {
  const parts = [String(route.status)];
  if (route.alternative !== undefined) {
    parts.push(`${route.alternative.status} when ${route.alternative.when}`);
  }
  const text = parts.join(', or ');
  const etag = route.etag === undefined ? '' : ', with an ETag';
  const match = route.ifMatch === undefined ? '' : `; If-Match is ${route.ifMatch}`;
  return text + etag + match;
}

interface Member {
  readonly type?: unknown;
  readonly enum?: readonly string[];
  readonly description?: string;
  readonly default?: unknown;
  readonly oneOf?: unknown;
}

function table(what: string, schema: TSchema | undefined, optional = false): string[] {
  const { properties, required, description } = (schema ?? {}) as {
    properties?: Readonly<Record<string, Member>>;
    required?: readonly string[];
    description?: string;
  };
  if (schema === undefined) return [];
  if (properties === undefined) return ['', `Body: ${description ?? 'JSON'}.`];
  return [
    '',
    `| ${what}${optional ? ' (may be left out)' : ''} | type | |`,
    '|---|---|---|',
    ...Object.entries(properties).map(([name, member]) => {
      const mark = required?.includes(name) ? ' (required)' : '';
      return `| \`${name}\`${mark} | ${typeOf(member)} | ${cell(textOf(member))} |`;
    }),
  ];
}

function typeOf(member: Member): string {
  if (member.enum !== undefined) return member.enum.map((word) => `\`${word}\``).join(' ');
  if (typeof member.type === 'string') return member.type;
  return member.oneOf === undefined ? 'any' : 'object';
}

function textOf(member: Member): string {
  const fallback = member.default === undefined ? '' : `default ${JSON.stringify(member.default)}`;
  return [member.description ?? '', fallback].filter((text) => text !== '').join('; ');
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}
