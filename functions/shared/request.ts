import { API_LIMITS } from '#config/api-limits.ts';
import { parseJsonBody } from '#contract/json-body.ts';
import { CORRELATION_ID, IDEMPOTENCY_KEY } from '#contract/request-headers.ts';
import { bodyType, type Route } from '#contract/route.ts';
import { CloudFlowError } from '#core/errors.ts';
import { isJsonObject, type Json } from '#core/json.ts';
import type { ApiRequest } from './api.ts';

/** Reading the parts of a request, each with its limit, before anything looks at what they mean. */

export function checkLengths(request: ApiRequest): void {
  if (request.path.length > API_LIMITS.maxPathBytes) {
    throw tooLong('path', request.path, API_LIMITS.maxPathBytes);
  }
  if (request.query.length > API_LIMITS.maxQueryBytes) {
    throw tooLong('query', request.query, API_LIMITS.maxQueryBytes);
  }
}

function tooLong(what: string, text: string, most: number): CloudFlowError {
  return new CloudFlowError(
    'REQUEST_MALFORMED',
    `the ${what} has ${text.length} characters; it may have at most ${most}`,
  );
}

/** A parameter given twice becomes a list, which only parameters that take lists accept. */
export function readQuery(text: string, route: Route): Record<string, unknown> {
  const query: Record<string, unknown> = {};
  if (text === '') return query;
  let count = 0;
  for (const part of text.split('&')) {
    if (part === '') continue;
    count += 1;
    if (count > API_LIMITS.maxQueryParameters) {
      throw new CloudFlowError(
        'REQUEST_MALFORMED',
        `the query has more than ${API_LIMITS.maxQueryParameters} parameters`,
      );
    }
    const at = part.indexOf('=');
    const name = decodeQuery(at === -1 ? part : part.slice(0, at));
    const value = decodeQuery(at === -1 ? '' : part.slice(at + 1));
    if (name === '__proto__') {
      throw new CloudFlowError('REQUEST_MALFORMED', "the parameter '__proto__' is refused");
    }
    const before = Object.hasOwn(query, name) ? query[name] : undefined;
    if (before === undefined) query[name] = takesList(route, name) ? [value] : value;
    else if (Array.isArray(before)) before.push(value);
    else query[name] = [before, value];
  }
  return query;
}

function takesList(route: Route, name: string): boolean {
  const schema = route.query?.properties[name] as { type?: unknown } | undefined;
  return schema?.type === 'array';
}

function decodeQuery(text: string, where = 'query'): string {
  try {
    const decoded = decodeURIComponent(text.replaceAll('+', ' '));
    if (!decoded.includes('\u0000')) return decoded;
  } catch {
    // URIError: the caller is told what it is about, not what it is: it may be a secret of a form
    throw new CloudFlowError(
      'REQUEST_MALFORMED',
      `the ${where} holds escapes that are not UTF-8; write each byte as % and two hexadecimal digits`,
    );
  }
  throw new CloudFlowError(
    'REQUEST_MALFORMED',
    `the ${where} holds U+0000 (%00), which no value may have`,
  );
}

/** For people to recognise a session by; what is longer is cut, and what is no text is none. */
export function readUserAgent(request: ApiRequest): string | null {
  const text = request.headers['user-agent']?.replaceAll(/[^\x20-\x7e]/g, '').slice(0, 200) ?? '';
  return text === '' ? null : text;
}

export async function readBody(request: ApiRequest, route: Route): Promise<unknown> {
  const declared = request.headers['content-length'];
  if (declared !== undefined && !/^\d{1,15}$/.test(declared)) {
    throw new CloudFlowError(
      'REQUEST_MALFORMED',
      `Content-Length is '${declared.slice(0, 64)}'; send a number of bytes`,
    );
  }
  if (Number(declared ?? 0) > API_LIMITS.maxBodyBytes) throw tooLarge();
  const bytes = await request.readBody(API_LIMITS.maxBodyBytes);
  if (bytes.length > API_LIMITS.maxBodyBytes) throw tooLarge();
  if (bytes.length === 0) {
    if (route.body === undefined) return undefined;
    if (route.bodyOptional === true) return {};
    const wanted = route.form === true ? 'a form' : 'a JSON document';
    throw new CloudFlowError('REQUEST_MALFORMED', `the body is empty; send ${wanted}`);
  }
  checkContentType(request.headers, route);
  if (route.form === true) return readForm(decodeText(bytes));
  const value = parseJsonBody(decodeText(bytes), {
    maxDepth: API_LIMITS.maxJsonDepth,
    maxMembers: API_LIMITS.maxJsonMembers,
  });
  if (route.body !== undefined) return value;
  // Many HTTP clients send `{}` with every POST; anything else would be ignored, and so is refused.
  if (isEmptyObject(value)) return undefined;
  throw new CloudFlowError('REQUEST_INVALID', 'this operation takes no body');
}

function tooLarge(): CloudFlowError {
  return new CloudFlowError(
    'PAYLOAD_TOO_LARGE',
    `the body is larger than ${API_LIMITS.maxBodyBytes} bytes`,
  );
}

function isEmptyObject(value: Json): boolean {
  return isJsonObject(value) && Object.keys(value).length === 0;
}

/** Each field once: of two, one reader could take the first and another the last. */
function readForm(text: string): Record<string, string> {
  const fields: Record<string, string> = Object.create(null);
  const parts = text.split('&', API_LIMITS.maxQueryParameters + 1);
  if (parts.length > API_LIMITS.maxQueryParameters) {
    throw new CloudFlowError(
      'REQUEST_MALFORMED',
      `the form has more than ${API_LIMITS.maxQueryParameters} fields`,
    );
  }
  for (const part of parts) {
    if (part === '') continue;
    const at = part.indexOf('=');
    const name = decodeQuery(at === -1 ? part : part.slice(0, at), 'form');
    if (Object.hasOwn(fields, name)) {
      throw new CloudFlowError(
        'REQUEST_MALFORMED',
        `the form has the field '${name.slice(0, 64)}' twice; send each once`,
      );
    }
    fields[name] = decodeQuery(at === -1 ? '' : part.slice(at + 1), 'form');
  }
  return fields;
}

const CONTENT_TYPE = /^([a-z0-9/+.-]{1,64})\s*(?:;\s*charset\s*=\s*"?([^;"\s]+)"?\s*)?$/i;

function checkContentType(headers: ApiRequest['headers'], route: Route): void {
  const type = headers['content-type'] ?? '';
  const match = CONTENT_TYPE.exec(type);
  const wanted = bodyType(route);
  if (match?.[1]?.toLowerCase() !== wanted || !/^utf-?8$/i.test(match[2] ?? 'utf-8')) {
    throw new CloudFlowError(
      'UNSUPPORTED_MEDIA_TYPE',
      `the body is ${type === '' ? 'of no declared type' : `'${type.slice(0, 64)}'`}; send ${wanted} in UTF-8`,
    );
  }
  const encoding = headers['content-encoding'] ?? 'identity';
  if (encoding.toLowerCase() !== 'identity') {
    throw new CloudFlowError(
      'UNSUPPORTED_MEDIA_TYPE',
      `the body is encoded as '${encoding.slice(0, 64)}'; send it plain`,
    );
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function decodeText(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw new CloudFlowError('REQUEST_MALFORMED', 'the body is not UTF-8', { cause });
  }
}

const KEY = new RegExp(IDEMPOTENCY_KEY.pattern);
const CORRELATION = new RegExp(CORRELATION_ID.pattern);

/** Null: not given. */
export function readIdempotencyKey(request: ApiRequest): string | null {
  const key = request.headers['idempotency-key'];
  if (key === undefined) return null;
  if (!KEY.test(key)) {
    throw new CloudFlowError(
      'IDEMPOTENCY_KEY_INVALID',
      `Idempotency-Key has ${key.length} characters; send 1 to 128 visible ASCII characters without blanks`,
    );
  }
  return key;
}

/** The caller's correlation id, or its request id, where well-formed; else null and ours is used. */
export function readCorrelationId(request: ApiRequest): string | null {
  const given = request.headers['x-correlation-id'] ?? request.headers['x-request-id'];
  return given !== undefined && CORRELATION.test(given) ? given : null;
}
