import { createServer } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EGRESS_REFUSED } from '#ports/egress.ts';
import { CLIENT_NAMES, CLIENTS } from './clients.ts';
import { createHttpWorld, type HttpWorld, textOf } from './http-world.ts';

describe.each(CLIENT_NAMES)('over %s,', (client) => {
  let world: HttpWorld;
  beforeAll(async () => {
    world = await createHttpWorld(client);
  });
  afterAll(() => world.close());

  describe('a request', () => {
    it('arrives as given and its answer comes back whole', async () => {
      world.handler = (request, response) => {
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
      const answer = await world.ask(`http://one.test:${world.plain}/a%20b?c=d`, {
        method: 'POST',
        headers: { 'x-mine': 'yes' },
        body: 'héllo',
      });
      expect(answer.ok && answer.status).toBe(201);
      expect(answer.ok && answer.headers['x-many']).toBe('a, b');
      expect(textOf(answer)).toBe(`POST /a%20b?c=d yes one.test:${world.plain} héllo`);
    });

    it.each([
      ['ftp://127.0.0.1/', 'invalid'],
      ['file:///etc/passwd', 'invalid'],
      ['not a url', 'invalid'],
      ['http://user:pw@127.0.0.1/', 'invalid'],
      ['http://user@127.0.0.1/', 'invalid'],
    ])('%s is not sent', async (url, reason) => {
      expect((await world.ask(url)).ok).toBe(false);
      expect(await world.say(url)).toContain(reason);
    });

    it('is refused in one voice, connected to nothing', async () => {
      const before = world.seen.length;
      const texts = new Set<string>();
      for (const host of [
        '127.0.0.1:1',
        'localhost',
        `127.0.0.2:${world.plain}`,
        '169.254.169.254',
        `[::1]:${world.plain}`,
        '10.0.0.1:22',
      ]) {
        texts.add(await world.say(`http://${host}/`));
      }
      // `localhost` has no address for this resolver: that alone may be told apart.
      expect([...texts].sort()).toEqual([
        `refused: ${EGRESS_REFUSED}`,
        'unreachable: the host has no address',
      ]);
      expect(world.seen.length).toBe(before);
    });

    it('ignores the proxy variables of the environment', async () => {
      const proxied: string[] = [];
      const proxy = await world.listen(
        createServer((request, response) => {
          proxied.push(request.url ?? '');
          response.end();
        }),
      );
      world.handler = (_request, response) => response.end('direct');
      for (const name of ['HTTP_PROXY', 'http_proxy', 'ALL_PROXY', 'HTTPS_PROXY']) {
        process.env[name] = `http://127.0.0.1:${proxy}`;
      }
      try {
        const http = world.httpFor([world.plain]);
        expect(await world.say(`http://one.test:${world.plain}/`, {}, http)).toBe('direct');
        expect(proxied).toEqual([]);
      } finally {
        for (const name of ['HTTP_PROXY', 'http_proxy', 'ALL_PROXY', 'HTTPS_PROXY'])
          delete process.env[name];
      }
    });

    it('checks certificates against the name, while it connects to the address', async () => {
      world.handler = (_request, response) => response.end('safe');
      expect(await world.say(`https://one.test:${world.tls}/`)).toBe('safe');
      expect(await world.say(`https://two.test:${world.tls}/`)).toContain('unreachable');
      expect(await world.say(`https://127.0.0.1:${world.tls}/`)).toContain('unreachable');
    });

    it("shares no connection between tenants; undici keeps a tenant's own", async () => {
      world.handler = (request, response) => response.end(String(request.socket.remotePort));
      const portsOf = async (tenant: string): Promise<Set<string>> => {
        const ports = new Set<string>();
        for (let i = 0; i < 8; i++) {
          ports.add(await world.say(`http://127.0.0.1:${world.plain}/`, { tenant }));
        }
        return ports;
      };
      const mine = await portsOf('kept');
      const others = await portsOf('apart');
      if (client === 'undici') expect(mine.size).toBeLessThan(4);
      expect(mine.isDisjointFrom(others)).toBe(true);
    });

    it('sends no secret in clear but where the operator allowed the host', async () => {
      world.handler = (_request, response) => response.end('ok');
      const headers = { authorization: 'Bearer x' };
      const secretHeaders = ['authorization'];
      expect(await world.say(`http://one.test:${world.plain}/`, { headers, secretHeaders })).toBe(
        'ok',
      );
      const open = CLIENTS[client]({
        guard: {
          vet: () =>
            Promise.resolve({ kind: 'open', address: '127.0.0.1', operatorAllowed: false }),
        },
      });
      const before = world.seen.length;
      const change = { headers, secretHeaders };
      const answer = await world.ask(`http://one.test:${world.plain}/`, change, open);
      await open.close();
      expect(!answer.ok && answer.reason).toBe('invalid');
      expect(world.seen.length).toBe(before);
    });
  });

  it('closing ends what is under way', async () => {
    world.handler = () => undefined;
    const http = world.httpFor([world.plain]);
    const before = world.seen.length;
    const pending = world.ask(`http://one.test:${world.plain}/`, {}, http);
    await expect.poll(() => world.seen.length).toBe(before + 1);
    await http.close();
    expect((await pending).ok).toBe(false);
  });
});
