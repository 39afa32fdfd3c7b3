import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { createSocketEvents } from '#functions/realtime/socket-events.ts';

type Handle = ReturnType<typeof createSocketEvents>;

/**
 * The door of API Gateway's WebSockets, over HTTP: it asks who may connect, tells of who has, and hands
 * the client what was answered. An emulation, written from AWS's documentation and never compared with an
 * account: a refusal is 403, an error of ours 500. Nothing is said over a connection: it is closed at once.
 */
export interface SocketDoor {
  /** What a client that asks to connect is told. */
  knock(asked: {
    readonly headers?: Readonly<Record<string, string>>;
    /** With the question mark. */
    readonly query?: string;
  }): Promise<{ readonly status: number; readonly protocol: string | null }>;
  close(): Promise<void>;
}

const ARN = 'arn:aws:execute-api:eu-central-1:000000000000:abc123/live/$connect';
/** RFC 6455, 4.2.2. */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';

export async function startSocketDoor(handle: Handle): Promise<SocketDoor> {
  let connections = 0;

  async function open(asked: IncomingMessage, socket: Duplex): Promise<void> {
    const { searchParams } = new URL(asked.url ?? '/', 'http://door');
    const headers = asked.headers as Record<string, string>;
    const said = { headers, queryStringParameters: Object.fromEntries(searchParams) };
    const answer = (await handle({ type: 'REQUEST', methodArn: ARN, ...said })) as {
      readonly policyDocument: { readonly Statement: readonly { readonly Effect: string }[] };
      readonly context: Readonly<Record<string, string>>;
    };
    if (answer.policyDocument.Statement[0]?.Effect !== 'Allow') return refuse(socket, 403);
    connections += 1;
    const requestContext = {
      ...({ eventType: 'CONNECT', connectionId: `c${connections}=` } as const),
      authorizer: answer.context,
    };
    const { statusCode, headers: more = {} } = (await handle({ requestContext, ...said })) as {
      readonly statusCode: number;
      readonly headers?: Readonly<Record<string, string>>;
    };
    if (statusCode !== 200) return refuse(socket, statusCode);
    const accept = createHash('sha1').update(`${asked.headers['sec-websocket-key']}${GUID}`);
    const lines = [
      'HTTP/1.1 101 Switching Protocols',
      'Upgrade: websocket',
      'Connection: Upgrade',
      `Sec-WebSocket-Accept: ${accept.digest('base64')}`,
      ...Object.entries(more).map(([name, value]) => `${name}: ${value}`),
    ];
    socket.end(`${lines.join('\r\n')}\r\n\r\n`);
  }

  const server = createServer().listen(0, '127.0.0.1');
  server.on('upgrade', (asked, socket: Duplex) => {
    socket.on('error', () => socket.destroy());
    open(asked, socket).catch(() => refuse(socket, 500));
  });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    knock: ({ headers, query = '' }) =>
      new Promise((resolve, reject) => {
        const sent = request({
          ...{ host: '127.0.0.1', port, path: `/live${query}`, agent: false },
          headers: {
            ...{ connection: 'Upgrade', upgrade: 'websocket' },
            ...{ 'sec-websocket-version': '13', 'sec-websocket-key': KEY },
            ...headers,
          },
        });
        sent.on('error', reject);
        sent.on('response', (response) => {
          response.resume();
          resolve({ status: response.statusCode ?? 0, protocol: null });
        });
        sent.on('upgrade', (response, socket) => {
          socket.destroy();
          const protocol = response.headers['sec-websocket-protocol'] ?? null;
          resolve({ status: response.statusCode ?? 0, protocol });
        });
        sent.end();
      }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function refuse(socket: Duplex, status: number): void {
  socket.end(`HTTP/1.1 ${status} Refused\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
}
