import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEgressGuard } from '#adapters/http/egress-guard.ts';
import { createSilentLog } from '#adapters/local/json-log.ts';
import { createPostgresDatabases } from '#adapters/postgres-target/databases.ts';
import { readEgressPolicy } from '#config/egress.ts';
import { Secret } from '#core/secret.ts';
import type { DatabaseAnswer, Databases } from '#ports/databases.ts';

/** One message of the protocol, server to client. */
function message(type: string, body: readonly number[] | string = []): Buffer {
  const bytes = Buffer.from(body as string);
  const head = Buffer.alloc(5);
  head.write(type);
  head.writeInt32BE(4 + bytes.length, 1);
  return Buffer.concat([head, bytes]);
}
const WELCOME = Buffer.concat([message('R', [0, 0, 0, 0]), message('Z', 'I')]);
const ROW = message('D', [0, 1, 0, 0, 0, 1, 65]);

/** Says `hello` to the first message of a session and `reply` to every other. */
const answering = (hello: Buffer, reply: Buffer) => (socket: Socket) => {
  let begun = false;
  socket.on('data', () => {
    socket.write(begun ? reply : hello);
    begun = true;
  });
};
const flood = (hello: Buffer, again: Buffer) => (socket: Socket) => {
  socket.once('data', () => {
    socket.write(hello);
    const timer = setInterval(() => socket.write(again), 1);
    socket.on('close', () => clearInterval(timer));
  });
};

const SERVERS: Readonly<Record<string, (socket: Socket) => void>> = {
  'says nothing': () => undefined,
  'hangs up': (socket) => socket.once('data', () => socket.destroy()),
  'lets anybody in and says nothing more': answering(WELCOME, Buffer.alloc(0)),
  'is ready without a login': answering(message('Z', 'I'), Buffer.alloc(0)),
  'sends messages that are shorter than their own length': answering(
    Buffer.from([0x5a, 0, 0, 0, 0, 0x5a, 0, 0, 0, 0]),
    Buffer.alloc(0),
  ),
  'sends rows that it did not describe': answering(WELCOME, ROW),
  'speaks another language': answering(Buffer.alloc(1_000, 0x58), Buffer.alloc(1_000, 0x58)),
  'announces two gigabytes and keeps sending': flood(
    Buffer.from([0x52, 0x7f, 0xff, 0xff, 0xf0]),
    Buffer.alloc(65_536),
  ),
  'sends notices for ever': flood(WELCOME, Buffer.alloc(13_000, message('N', 'SNOTICE\0\0'))),
  'asks for more rounds of hashing than anybody needs': (socket) => {
    socket.once('data', () => {
      socket.write(message('R', `\0\0\0\u000aSCRAM-SHA-256\0\0`));
      socket.once('data', (data) => {
        const nonce = /r=([^,\0]+)/.exec(data.toString('latin1'))?.[1];
        socket.write(message('R', `\0\0\0\u000br=${nonce}more,s=c2FsdA==,i=2000000000`));
      });
    });
  },
};

describe('a database server that is hostile itself', () => {
  let server: Server;
  let databases: Databases;
  let serve: (socket: Socket) => void = () => undefined;
  const sockets = new Set<Socket>();

  beforeAll(async () => {
    server = createServer((socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
      socket.on('error', () => socket.destroy());
      serve(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const guard = createEgressGuard({
      policy: readEgressPolicy({ EGRESS_ALLOW: `127.0.0.1:${port}` }),
      resolver: { resolve: () => Promise.resolve([]) },
    });
    databases = createPostgresDatabases({ guard, log: createSilentLog(), connectTimeoutMs: 1_000 });
  });
  afterAll(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
    await databases.close();
  });

  const run = (connection: string): Promise<DatabaseAnswer> =>
    databases.run({
      tenant: 'acme',
      mode: 'live',
      connection,
      revision: 1,
      spec: {
        type: 'postgres',
        host: '127.0.0.1',
        port: (server.address() as AddressInfo).port,
        database: 'x',
        login: { username: 'u', secret: 'pw' },
        tls: 'disable',
      },
      login: { username: 'u', password: new Secret('canary-password') },
      access: 'write',
      text: 'select 1',
      values: [],
      key: 'k',
      maxRows: 10,
      maxBytes: 100_000,
      signal: AbortSignal.timeout(500),
    });

  it.each(Object.entries(SERVERS))('that %s costs a failed call, soon', async (name, how) => {
    serve = how;
    const begun = performance.now();
    const answer = await run(name);
    // The call's own time, and what it takes to try to cancel and to terminate a backend.
    expect(performance.now() - begun).toBeLessThan(6_000);
    expect(answer.ok).toBe(false);
    expect(JSON.stringify(answer)).not.toContain('canary');
  });
});
