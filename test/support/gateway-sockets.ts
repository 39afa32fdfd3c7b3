import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * What API Gateway answers to whoever manages its WebSockets, over HTTP: an emulation, written from
 * AWS's API reference and never compared with an account. It checks no signature.
 */
export interface GatewaySockets {
  /** `SOCKETS_URL`, with a stage as on AWS. */
  readonly url: string;
  /** Connections that are open; what was sent over each. */
  readonly open: Map<string, string[]>;
  /** How the next request is refused; then nothing is. */
  refuseOnce(status: number, type: string): void;
  close(): Promise<void>;
}

const PATH = /^\/live\/@connections\/([^/]+)$/;

export async function startGatewaySockets(): Promise<GatewaySockets> {
  const open = new Map<string, string[]>();
  let refusal: { readonly status: number; readonly type: string } | null = null;

  async function answer(request: IncomingMessage): Promise<[number, string | null]> {
    const text = await bodyOf(request);
    if (refusal !== null) {
      const { status, type } = refusal;
      refusal = null;
      return [status, type];
    }
    const id = decodeURIComponent(PATH.exec(request.url ?? '')?.[1] ?? '');
    const sent = open.get(id);
    if (sent === undefined) return [410, 'GoneException'];
    if (request.method === 'DELETE') {
      open.delete(id);
      return [204, null];
    }
    if (Buffer.byteLength(text) > 131_072) return [413, 'PayloadTooLargeException'];
    sent.push(text);
    return [200, null];
  }

  const server = createServer((request, response) => {
    void answer(request).then(([status, type]) => {
      response.writeHead(status, {
        'content-type': 'application/json',
        ...(type === null ? {} : { 'x-amzn-errortype': type }),
      });
      response.end(status === 204 ? undefined : '{}');
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/live`,
    open,
    refuseOnce: (status, type) => {
      refusal = { status, type };
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}
