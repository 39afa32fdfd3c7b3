import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEgressGuard } from '#adapters/http/egress-guard.ts';
import { createUndiciHttp, type UndiciHttpOptions } from '#adapters/http/undici-http.ts';
import { readEgressPolicy } from '#config/egress.ts';
import { EGRESS_REFUSED } from '#ports/egress.ts';
import type { Http, HttpRequest } from '#ports/http.ts';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** Names that the tests' resolver knows, all on loopback and allowed by the operator pair by pair. */
const NAMES = ['one.test', 'two.test'];

let handler: Handler = (_request, response) => response.end();
const seen: { method: string; url: string; headers: IncomingMessage['headers']; port: number }[] =
  [];
const closers: (() => Promise<void>)[] = [];
let plain: number;
let other: number;
let tls: number;
let ca: string;
let http: Http;

function listen(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
    closers.push(
      () =>
        new Promise((done) => {
          server.close(() => done());
          server.closeAllConnections();
        }),
    );
  });
}

function serve(request: IncomingMessage, response: ServerResponse): void {
  const { method = '', url = '', headers, socket } = request;
  seen.push({ method, url, headers, port: socket.localPort ?? 0 });
  handler(request, response);
}

function httpFor(ports: readonly number[], options: Partial<UndiciHttpOptions> = {}): Http {
  const pairs = ports.flatMap((port) => ['127.0.0.1', ...NAMES].map((host) => `${host}:${port}`));
  const guard = createEgressGuard({
    policy: readEgressPolicy({ EGRESS_ALLOW: pairs.join(',') }),
    resolver: { resolve: (host) => Promise.resolve(NAMES.includes(host) ? ['127.0.0.1'] : []) },
  });
  const made = createUndiciHttp({ guard, ca, ...options });
  closers.push(() => made.close());
  return made;
}

const ask = (url: string, change: Partial<HttpRequest> = {}) =>
  http.request({
    tenant: 'acme',
    method: 'GET',
    url,
    headers: {},
    secretHeaders: [],
    body: null,
    maxRedirects: 3,
    maxResponseBytes: 100_000,
    signal: AbortSignal.timeout(10_000),
    ...change,
  });
const textOf = (answer: Awaited<ReturnType<typeof ask>>) =>
  answer.ok ? new TextDecoder().decode(answer.body) : `${answer.reason}: ${answer.message}`;

beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'cloudflow-tls-'));
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-days',
      '2',
      '-subj',
      '/CN=one.test',
      '-addext',
      'subjectAltName=DNS:one.test',
      '-keyout',
      join(folder, 'key.pem'),
      '-out',
      join(folder, 'cert.pem'),
    ],
    { stdio: 'ignore' },
  );
  const key = readFileSync(join(folder, 'key.pem'));
  ca = readFileSync(join(folder, 'cert.pem'), 'utf8');
  rmSync(folder, { recursive: true });
  plain = await listen(createServer(serve));
  other = await listen(createServer(serve));
  tls = await listen(createTlsServer({ key, cert: ca }, serve));
  http = httpFor([plain, other, tls]);
});

afterAll(async () => {
  for (const close of closers.reverse()) await close();
});

describe('a request', () => {
  it('arrives as given and its answer comes back whole', async () => {
    handler = (request, response) => {
      let body = '';
      request.on('data', (part) => {
        body += part;
      });
      request.on('end', () => {
        response.writeHead(201, { 'X-Many': ['a', 'b'], 'content-type': 'text/plain' });
        response.end(
          `${request.method} ${request.url} ${request.headers['x-mine']} ${request.headers.host} ${body}`,
        );
      });
    };
    const answer = await ask(`http://one.test:${plain}/a%20b?c=d`, {
      method: 'POST',
      headers: { 'x-mine': 'yes' },
      body: 'héllo',
    });
    expect(answer.ok && answer.status).toBe(201);
    expect(answer.ok && answer.headers['x-many']).toBe('a, b');
    expect(textOf(answer)).toBe(`POST /a%20b?c=d yes one.test:${plain} héllo`);
  });

  it.each([
    ['ftp://127.0.0.1/', 'invalid'],
    ['file:///etc/passwd', 'invalid'],
    ['not a url', 'invalid'],
    ['http://user:pw@127.0.0.1/', 'invalid'],
    ['http://user@127.0.0.1/', 'invalid'],
  ])('%s is not sent', async (url, reason) => {
    expect((await ask(url)).ok).toBe(false);
    expect(textOf(await ask(url))).toContain(reason);
  });

  it('is refused in one voice, connected to nothing', async () => {
    const before = seen.length;
    const texts = new Set<string>();
    for (const host of [
      '127.0.0.1:1',
      'localhost',
      `127.0.0.2:${plain}`,
      '169.254.169.254',
      `[::1]:${plain}`,
      '10.0.0.1:22',
    ]) {
      texts.add(textOf(await ask(`http://${host}/`)));
    }
    // `localhost` has no address for this resolver: that alone may be told apart.
    expect([...texts].sort()).toEqual([
      `refused: ${EGRESS_REFUSED}`,
      'unreachable: the host has no address',
    ]);
    expect(seen.length).toBe(before);
  });

  it('ignores the proxy variables of the environment', async () => {
    const proxied: string[] = [];
    const proxy = await listen(
      createServer((request, response) => {
        proxied.push(request.url ?? '');
        response.end();
      }),
    );
    handler = (_request, response) => response.end('direct');
    for (const name of ['HTTP_PROXY', 'http_proxy', 'ALL_PROXY', 'HTTPS_PROXY']) {
      process.env[name] = `http://127.0.0.1:${proxy}`;
    }
    try {
      expect(
        textOf(
          await httpFor([plain]).request({
            tenant: 'acme',
            method: 'GET',
            url: `http://one.test:${plain}/`,
            headers: {},
            secretHeaders: [],
            body: null,
            maxRedirects: 0,
            maxResponseBytes: 100,
            signal: AbortSignal.timeout(5_000),
          }),
        ),
      ).toBe('direct');
      expect(proxied).toEqual([]);
    } finally {
      for (const name of ['HTTP_PROXY', 'http_proxy', 'ALL_PROXY', 'HTTPS_PROXY'])
        delete process.env[name];
    }
  });

  it('checks certificates against the name, while it connects to the address', async () => {
    handler = (_request, response) => response.end('safe');
    expect(textOf(await ask(`https://one.test:${tls}/`))).toBe('safe');
    expect(textOf(await ask(`https://two.test:${tls}/`))).toContain('unreachable');
    expect(textOf(await ask(`https://127.0.0.1:${tls}/`))).toContain('unreachable');
  });

  it("shares no connection between tenants, and keeps a tenant's own", async () => {
    handler = (request, response) => response.end(String(request.socket.remotePort));
    const portsOf = async (tenant: string): Promise<Set<string>> => {
      const ports = new Set<string>();
      for (let i = 0; i < 8; i++) {
        ports.add(textOf(await ask(`http://127.0.0.1:${plain}/`, { tenant })));
      }
      return ports;
    };
    const mine = await portsOf('kept');
    const others = await portsOf('apart');
    expect(mine.size).toBeLessThan(4);
    expect(mine.isDisjointFrom(others)).toBe(true);
  });

  it('sends no secret in clear but where the operator allowed the host', async () => {
    handler = (_request, response) => response.end('ok');
    const headers = { authorization: 'Bearer x' };
    const secretHeaders = ['authorization'];
    expect(textOf(await ask(`http://one.test:${plain}/`, { headers, secretHeaders }))).toBe('ok');
    const open = createUndiciHttp({
      guard: {
        vet: () => Promise.resolve({ kind: 'open', address: '127.0.0.1', operatorAllowed: false }),
      },
    });
    closers.push(() => open.close());
    const before = seen.length;
    const answer = await open.request({
      tenant: 'a',
      method: 'GET',
      url: `http://one.test:${plain}/`,
      headers,
      secretHeaders,
      body: null,
      maxRedirects: 0,
      maxResponseBytes: 10,
      signal: AbortSignal.timeout(5_000),
    });
    expect(!answer.ok && answer.reason).toBe('invalid');
    expect(seen.length).toBe(before);
  });
});

describe('redirects', () => {
  const hops = (locations: Record<string, [number, string]>): void => {
    handler = (request, response) => {
      const hop = locations[request.url ?? ''];
      if (hop === undefined) response.end('end');
      else response.writeHead(hop[0], { location: hop[1] }).end('moved');
    };
  };

  it('are followed three times and no more', async () => {
    hops({ '/1': [302, '/2'], '/2': [301, '/3'], '/3': [307, '/4'], '/0': [302, '/1'] });
    expect(textOf(await ask(`http://one.test:${plain}/1`))).toBe('end');
    expect(textOf(await ask(`http://one.test:${plain}/0`))).toBe(
      'redirects: more than 3 redirects',
    );
  });

  it('are an answer like any other where none may be followed', async () => {
    hops({ '/1': [302, '/2'] });
    const answer = await ask(`http://one.test:${plain}/1`, { maxRedirects: 0 });
    expect(answer.ok && [answer.status, answer.headers['location']]).toEqual([302, '/2']);
  });

  it('leave secrets behind when they leave the origin', async () => {
    hops({ '/1': [307, `http://two.test:${plain}/2`] });
    const headers = { authorization: 'Bearer x', cookie: 'a=b', 'x-api-key': 'k', 'x-plain': 'p' };
    seen.length = 0;
    await ask(`http://one.test:${plain}/1`, { headers, secretHeaders: ['x-api-key'] });
    expect(seen[0]?.headers).toMatchObject(headers);
    expect(seen[1]?.headers).toMatchObject({ 'x-plain': 'p' });
    for (const name of ['authorization', 'cookie', 'x-api-key']) {
      expect(seen[1]?.headers[name]).toBeUndefined();
    }
  });

  it.each([
    [301, 'POST', 'GET'],
    [302, 'POST', 'GET'],
    [303, 'PUT', 'GET'],
    [307, 'POST', 'POST'],
    [308, 'PUT', 'PUT'],
    [302, 'DELETE', 'DELETE'],
  ] as const)('%i turns %s into %s', async (status, method, then) => {
    hops({ '/1': [status, '/2'] });
    seen.length = 0;
    await ask(`http://one.test:${plain}/1`, {
      method,
      body: 'x',
      headers: { 'content-type': 'text/plain' },
    });
    expect(seen.map((each) => each.method)).toEqual([method, then]);
    expect(seen[1]?.headers['content-type']).toBe(then === 'GET' ? undefined : 'text/plain');
  });

  it.each([
    ['http://169.254.169.254/latest', 'refused'],
    ['http://[::ffff:7f00:1]/', 'refused'],
    ['//127.0.0.1:1/', 'refused'],
    ['http://a:b@one.test/', 'redirects'],
    ['file:///etc/passwd', 'redirects'],
    ['http://', 'redirects'],
  ])('to %s end the call', async (location, reason) => {
    hops({ '/1': [302, location] });
    expect(textOf(await ask(`http://one.test:${plain}/1`))).toContain(`${reason}:`);
  });

  it('never go from https to http', async () => {
    hops({ '/1': [302, `http://one.test:${plain}/2`] });
    seen.length = 0;
    expect(textOf(await ask(`https://one.test:${tls}/1`))).toContain('redirects:');
    expect(seen).toHaveLength(1);
  });
});

describe('an answer', () => {
  const answering = (headers: Record<string, string>, body: Uint8Array): void => {
    handler = (_request, response) => {
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
    expect(textOf(await ask(`http://one.test:${plain}/`))).toBe('plain text');
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
    expect(textOf(await ask(`http://one.test:${plain}/`))).toContain('undecodable:');
  });

  it('may hold exactly as many bytes as allowed', async () => {
    answering({}, Buffer.alloc(100_000, 'x'));
    expect((await ask(`http://one.test:${plain}/`)).ok).toBe(true);
    answering({}, Buffer.alloc(100_001, 'x'));
    expect(textOf(await ask(`http://one.test:${plain}/`))).toContain('too_large:');
  });

  it.each([
    ['gzip', gzipSync(Buffer.alloc(256 * 1024 * 1024))],
    ['br', brotliCompressSync(Buffer.alloc(64 * 1024 * 1024))],
  ] as const)('that is a bomb in %s is cut early', async (encoding, bomb) => {
    answering({ 'content-encoding': encoding }, bomb);
    const before = process.memoryUsage.rss();
    expect(textOf(await ask(`http://one.test:${plain}/`))).toContain('too_large:');
    expect(process.memoryUsage.rss() - before).toBeLessThan(48 * 1024 * 1024);
  });

  it('without an end is cut', async () => {
    handler = (_request, response) => {
      const part = Buffer.alloc(16_384, 'x');
      const more = (): void => {
        while (!response.destroyed && response.write(part));
        if (!response.destroyed) response.once('drain', more);
      };
      more();
    };
    expect(textOf(await ask(`http://one.test:${plain}/`))).toContain('too_large:');
  });

  it('that falls silent is given up', async () => {
    handler = (_request, response) => {
      response.writeHead(200);
      response.write('begun');
    };
    http = httpFor([plain], { idleTimeoutMs: 300 });
    try {
      expect(textOf(await ask(`http://one.test:${plain}/`))).toContain('idle:');
    } finally {
      http = httpFor([plain, other, tls]);
    }
  });

  it.each(['before the first byte', 'in the middle'])(
    'is abandoned %s when the signal says so',
    async (when) => {
      let closed = false;
      handler = (_request, response) => {
        response.on('close', () => {
          closed = true;
        });
        if (when === 'in the middle') response.write('begun');
      };
      const started = performance.now();
      const answer = await ask(`http://one.test:${plain}/`, { signal: AbortSignal.timeout(200) });
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
    expect(textOf(await ask(`http://one.test:${plain}/`))).toContain(reason);
  });

  it('to HEAD has no body to undo', async () => {
    answering({ 'content-encoding': 'gzip', 'content-length': '10' }, Buffer.from(''));
    expect(await ask(`http://one.test:${plain}/`, { method: 'HEAD' })).toMatchObject({
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
    const saved = http;
    http = httpFor([port]);
    const text = textOf(await ask(`http://one.test:${port}/`));
    http = saved;
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
    const port = await listen(createServer());
    await (closers.pop() as () => Promise<void>)();
    const saved = http;
    http = httpFor([port]);
    expect(textOf(await ask(`http://one.test:${port}/`))).toBe(
      'unreachable: no answer: ECONNREFUSED',
    );
    http = saved;
  });
});

it('closing ends what is under way', async () => {
  handler = () => undefined;
  const made = httpFor([plain]);
  const pending = made.request({
    tenant: 'a',
    method: 'GET',
    url: `http://one.test:${plain}/`,
    headers: {},
    secretHeaders: [],
    body: null,
    maxRedirects: 0,
    maxResponseBytes: 10,
    signal: new AbortController().signal,
  });
  await expect.poll(() => seen.at(-1)?.url).toBe('/');
  await made.close();
  expect((await pending).ok).toBe(false);
});
