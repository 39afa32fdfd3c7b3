import { createNodeHttp } from '#adapters/http/node-http.ts';
import type { OutboundOptions } from '#adapters/http/outbound.ts';
import { createUndiciHttp } from '#adapters/http/undici-http.ts';
import type { Http } from '#ports/http.ts';

/** Every adapter of the Http port: what one of them holds, all do. */
export const CLIENTS = { undici: createUndiciHttp, node: createNodeHttp } as const satisfies Record<
  string,
  (options: OutboundOptions) => Http
>;
export type ClientName = keyof typeof CLIENTS;
export const CLIENT_NAMES = Object.keys(CLIENTS) as ClientName[];
