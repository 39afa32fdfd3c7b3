import { isJsonObject, type Json } from '#core/json.ts';
import type { HttpRequest } from '#ports/http.ts';
import { invalidConfig } from './failure.ts';

/** The evaluated config of a request, read once. Values came out of expressions: anything is possible. */
export interface HttpConfig {
  readonly url: string;
  readonly method: HttpRequest['method'];
  /** Lower-case names. */
  readonly headers: { readonly [name: string]: string };
  readonly query: readonly (readonly [string, string])[];
  readonly body: Json | undefined;
  /** Null: every 2xx. */
  readonly expectStatus: readonly number[] | null;
  readonly connection: string | null;
}

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD'] as const;
const MEMBERS = [
  'url',
  'method',
  'headers',
  'query',
  'body',
  'expect_status',
  'connection',
  'timeout', // reserved by the language, read by the plan (rule 42)
  'retry',
];

/** Belong to the transport: setting them would break framing, routing or decoding. */
const TRANSPORT_HEADERS = [
  'accept-encoding',
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
];

const MAX_HEADERS = 64;
const MAX_HEADER_BYTES = 16_384;
const MAX_URL = 8_192;

export function readHttpConfig(config: Json, method: 'GET' | 'POST'): HttpConfig {
  if (!isJsonObject(config)) throw invalidConfig('config is not an object');
  const unknown = Object.keys(config).find((name) => !MEMBERS.includes(name));
  if (unknown !== undefined)
    throw invalidConfig(`config has an unknown member '${short(unknown)}'`);
  const { url, body } = config;
  if (typeof url !== 'string' || url === '')
    throw invalidConfig(`url is ${typeName(url)}, not a text`);
  const verb = METHODS.find((each) => each === (config['method'] ?? method));
  if (verb === undefined) throw invalidConfig(`method is none of ${METHODS.join(', ')}`);
  if ((verb === 'GET' || verb === 'HEAD') && body !== undefined && body !== null) {
    throw invalidConfig(`${verb} takes no body`);
  }
  return {
    url,
    method: verb,
    headers: readHeaders(config['headers'] ?? {}),
    query: readQuery(config['query'] ?? {}),
    body: body === null ? undefined : body,
    expectStatus: readStatuses(config['expect_status']),
    connection: readConnection(config['connection']),
  };
}

/** The absolute URL of a request, with its query. Without a connection `base` is null. */
export function absoluteUrl(config: Pick<HttpConfig, 'url' | 'query'>, base: string | null): URL {
  const url = base === null ? URL.parse(config.url) : within(base, config.url);
  if (url === null) {
    throw invalidConfig(
      base === null
        ? 'url is not an absolute http or https URL'
        : "url is neither a path nor a URL under the connection's base URL",
    );
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw invalidConfig('url is neither http nor https');
  }
  for (const [name, value] of config.query) url.searchParams.append(name, value);
  url.hash = '';
  if (url.href.length > MAX_URL) throw invalidConfig(`url is longer than ${MAX_URL} characters`);
  return url;
}

/**
 * A URL under a base: the connection's credentials go there and nowhere else. A path is appended to
 * the base, not resolved against its root; `..` that climbs out of the base gives null.
 */
function within(base: string, given: string): URL | null {
  const root = URL.parse(base);
  if (root === null) return null;
  const prefix = root.pathname.endsWith('/') ? root.pathname : `${root.pathname}/`;
  const absolute = /^[a-z][a-z0-9+.-]*:/i.test(given);
  const url = absolute
    ? URL.parse(given)
    : given.startsWith('//') || given.startsWith('\\')
      ? null
      : URL.parse(`${root.origin}${prefix}${given.replace(/^\//, '')}`);
  if (url === null || url.origin !== root.origin || url.username !== '' || url.password !== '') {
    return null;
  }
  // Encoded slashes and dots are another server's to decode: `%2e%2e` is already undone by URL.
  const inside = url.pathname.startsWith(prefix) || `${url.pathname}/` === prefix;
  return inside && !/%2f|%5c/i.test(url.pathname) ? url : null;
}

function readHeaders(headers: Json): { [name: string]: string } {
  if (!isJsonObject(headers)) throw invalidConfig(`headers is ${typeName(headers)}, not an object`);
  const read: [string, string][] = [];
  let bytes = 0;
  for (const [given, value] of Object.entries(headers)) {
    const name = given.toLowerCase();
    if (!/^[!#$%&'*+.^_`|~0-9a-z-]{1,128}$/.test(name)) {
      throw invalidConfig(`'${short(given)}' is not a header name`);
    }
    if (TRANSPORT_HEADERS.includes(name) || name.startsWith('proxy-')) {
      throw invalidConfig(`header '${name}' belongs to the transport and cannot be set`);
    }
    if (read.some(([other]) => other === name))
      throw invalidConfig(`header '${name}' is given twice`);
    if (value === null) continue;
    const text = scalarText(value);
    if (text === null) throw invalidConfig(`header '${name}' is ${typeName(value)}, not a text`);
    if (!isHeaderValue(text)) {
      throw invalidConfig(`header '${name}' holds characters that a header cannot carry`);
    }
    bytes += name.length + text.length;
    read.push([name, text]);
  }
  if (read.length > MAX_HEADERS) throw invalidConfig(`more than ${MAX_HEADERS} headers`);
  if (bytes > MAX_HEADER_BYTES) throw invalidConfig(`headers exceed ${MAX_HEADER_BYTES} bytes`);
  return Object.fromEntries(read);
}

/** Visible characters, blanks and tabs: never a line break, never what Latin-1 has not. */
export function isHeaderValue(text: string): boolean {
  return /^[\t\x20-\x7e\x80-\xff]*$/.test(text);
}

function readQuery(query: Json): [string, string][] {
  if (!isJsonObject(query)) throw invalidConfig(`query is ${typeName(query)}, not an object`);
  const read: [string, string][] = [];
  for (const [name, value] of Object.entries(query)) {
    for (const item of Array.isArray(value) ? (value as readonly Json[]) : [value as Json]) {
      if (item === null) continue;
      const text = scalarText(item);
      if (text === null)
        throw invalidConfig(`query '${short(name)}' is ${typeName(item)}, not a text`);
      read.push([name, text]);
    }
  }
  return read;
}

function readStatuses(statuses: Json | undefined): readonly number[] | null {
  if (statuses === undefined || statuses === null) return null;
  const list = Array.isArray(statuses) ? (statuses as readonly Json[]) : [statuses];
  if (!list.every((status) => typeof status === 'number' && status >= 100 && status <= 599)) {
    throw invalidConfig('expect_status holds something that is not a status');
  }
  return list as number[];
}

function readConnection(connection: Json | undefined): string | null {
  if (connection === undefined || connection === null) return null;
  if (typeof connection === 'string') return connection;
  throw invalidConfig(`connection is ${typeName(connection)}, not a name`);
}

function scalarText(value: Json): string | null {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? String(value)
    : null;
}

/** For messages: what a value is, never the value. */
export function typeName(value: Json | undefined): string {
  if (value === undefined) return 'absent';
  if (value === null) return 'null';
  return Array.isArray(value)
    ? 'an array'
    : `${typeof value === 'object' ? 'an' : 'a'} ${typeof value}`;
}

/** A name in a message: authors' words, cut. */
export function short(name: string): string {
  return name.length <= 40 ? name : `${name.slice(0, 40)}...`;
}
