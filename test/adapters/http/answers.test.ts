import { createServer } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CLIENT_NAMES } from './clients.ts';
import { createHttpWorld, type HttpWorld } from './http-world.ts';

describe.each(CLIENT_NAMES)('over %s,', (client) => {
  let world: HttpWorld;
  beforeAll(async () => {
    world = await createHttpWorld(client);
  });
  afterAll(() => world.close());

  describe('an answer', () => {
    const answering = (headers: Record<string, string>, body: Uint8Array): void => {
      world.handler = (_request, response) => {
        response.writeHead(200, headers);
        response.end(body);
      };
    };

    it.each([
      ['gzip', gzipSync],
      ['x-gzip', gzipSync],
      ['deflate', deflateSync],
      ['br', brotliCompressSync],
      ['identity', (text: string) => Buffer.from(text)],
      ['GZIP', gzipSync],
    ] as const)('in %s is undone', async (encoding, compress) => {
      answering({ 'content-encoding': encoding }, compress('plain text'));
      expect(await world.say(`http://one.test:${world.plain}/`)).toBe('plain text');
    });

    it.each([
      ['gzip, gzip', gzipSync(gzipSync('x'))],
      ['gzip, identity, br', Buffer.from('x')],
      ['zstd', Buffer.from('x')],
      ['gzip', Buffer.from('this is not gzip')],
      ['gzip', gzipSync('x'.repeat(1000)).subarray(0, 12)],
      ['br', Buffer.from([255, 255, 255])],
    ])('in %s that cannot be undone is undecodable', async (encoding, body) => {
      answering({ 'content-encoding': encoding }, body);
      expect(await world.say(`http://one.test:${world.plain}/`)).toContain('undecodable:');
    });

    it('may hold exactly as many bytes as allowed', async () => {
      answering({}, Buffer.alloc(100_000, 'x'));
      expect((await world.ask(`http://one.test:${world.plain}/`)).ok).toBe(true);
      answering({}, Buffer.alloc(100_001, 'x'));
      expect(await world.say(`http://one.test:${world.plain}/`)).toContain('too_large:');
    });

    it.each([
      ['gzip', gzipSync(Buffer.alloc(256 * 1024 * 1024))],
      ['br', brotliCompressSync(Buffer.alloc(64 * 1024 * 1024))],
    ] as const)('that is a bomb in %s is cut early', async (encoding, bomb) => {
      answering({ 'content-encoding': encoding }, bomb);
      const before = process.memoryUsage.rss();
      expect(await world.say(`http://one.test:${world.plain}/`)).toContain('too_large:');
      expect(process.memoryUsage.rss() - before).toBeLessThan(48 * 1024 * 1024);
    });

    it('without an end is cut', async () => {
      world.handler = (_request, response) => {
        const part = Buffer.alloc(16_384, 'x');
        const more = (): void => {
          while (!response.destroyed && response.write(part));
          if (!response.destroyed) response.once('drain', more);
        };
        more();
      };
      expect(await world.say(`http://one.test:${world.plain}/`)).toContain('too_large:');
    });

    it('that falls silent is given up', async () => {
      world.handler = (_request, response) => {
        response.writeHead(200);
        response.write('begun');
      };
      const http = world.httpFor([world.plain], { idleTimeoutMs: 300 });
      expect(await world.say(`http://one.test:${world.plain}/`, {}, http)).toContain('idle:');
    });

    it.each(['before the first byte', 'in the middle'])(
      'is abandoned %s when the signal says so',
      async (when) => {
        let closed = false;
        world.handler = (_request, response) => {
          response.on('close', () => {
            closed = true;
          });
          if (when === 'in the middle') response.write('begun');
        };
        const started = performance.now();
        const answer = await world.ask(`http://one.test:${world.plain}/`, {
          signal: AbortSignal.timeout(200),
        });
        expect(!answer.ok && answer.reason).toBe('aborted');
        expect(performance.now() - started).toBeLessThan(1_500);
        await expect.poll(() => closed).toBe(true);
      },
    );

    it.each([
      ['one header too large', { 'x-big': 'x'.repeat(40_000) }, 'too_large:'],
      [
        'too many headers',
        Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`x-${i}`, '1'])),
        'too_large:',
      ],
    ])('with %s is refused', async (_what, headers, reason) => {
      answering(headers, Buffer.from(''));
      expect(await world.say(`http://one.test:${world.plain}/`)).toContain(reason);
    });

    it('to HEAD has no body to undo', async () => {
      answering({ 'content-encoding': 'gzip', 'content-length': '10' }, Buffer.from(''));
      expect(await world.ask(`http://one.test:${world.plain}/`, { method: 'HEAD' })).toMatchObject({
        ok: true,
        status: 200,
      });
    });
  });

  describe('a server that is none', () => {
    const raw = async (talk: (socket: Socket) => void): Promise<string> => {
      const sockets = new Set<Socket>();
      const server = createTcpServer((socket) => {
        sockets.add(socket);
        socket.on('error', () => socket.destroy());
        socket.once('data', () => talk(socket));
      });
      const port = await new Promise<number>((resolve) =>
        server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)),
      );
      const text = await world.say(`http://one.test:${port}/`, {}, world.httpFor([port]));
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      return text;
    };

    it.each([
      [
        'speaks something else',
        (socket: Socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n'),
        'undecodable:',
      ],
      ['closes without a word', (socket: Socket) => socket.end(), 'unreachable:'],
      ['resets', (socket: Socket) => socket.resetAndDestroy(), 'unreachable:'],
      [
        'ends in the middle',
        (socket: Socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf'),
        'unreachable:',
      ],
      [
        'sends a length twice',
        (socket: Socket) =>
          socket.end('HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx'),
        'undecodable:',
      ],
    ])('and %s', async (_what, talk, reason) => {
      expect(await raw(talk)).toContain(reason);
    });

    it('or is not there at all', async () => {
      const gone = createServer();
      const port = await world.listen(gone);
      await new Promise((resolve) => gone.close(resolve));
      const text = await world.say(`http://one.test:${port}/`, {}, world.httpFor([port]));
      expect(text).toBe('unreachable: no answer: ECONNREFUSED');
    });
  });
});
