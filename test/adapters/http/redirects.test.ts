import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CLIENT_NAMES } from './clients.ts';
import { createHttpWorld, type HttpWorld } from './http-world.ts';

describe.each(CLIENT_NAMES)('over %s,', (client) => {
  let world: HttpWorld;
  beforeAll(async () => {
    world = await createHttpWorld(client);
  });
  afterAll(() => world.close());

  describe('redirects', () => {
    const hops = (locations: Record<string, [number, string]>): void => {
      world.handler = (request, response) => {
        const hop = locations[request.url ?? ''];
        if (hop === undefined) response.end('end');
        else response.writeHead(hop[0], { location: hop[1] }).end('moved');
      };
    };

    it('are followed three times and no more', async () => {
      hops({ '/1': [302, '/2'], '/2': [301, '/3'], '/3': [307, '/4'], '/0': [302, '/1'] });
      expect(await world.say(`http://one.test:${world.plain}/1`)).toBe('end');
      expect(await world.say(`http://one.test:${world.plain}/0`)).toBe(
        'redirects: more than 3 redirects',
      );
    });

    it('are an answer like any other where none may be followed', async () => {
      hops({ '/1': [302, '/2'] });
      const answer = await world.ask(`http://one.test:${world.plain}/1`, { maxRedirects: 0 });
      expect(answer.ok && [answer.status, answer.headers['location']]).toEqual([302, '/2']);
    });

    it('leave secrets behind when they leave the origin', async () => {
      hops({ '/1': [307, `http://two.test:${world.plain}/2`] });
      const headers = {
        authorization: 'Bearer x',
        cookie: 'a=b',
        'x-api-key': 'k',
        'x-plain': 'p',
      };
      world.seen.length = 0;
      await world.ask(`http://one.test:${world.plain}/1`, {
        headers,
        secretHeaders: ['x-api-key'],
      });
      expect(world.seen[0]?.headers).toMatchObject(headers);
      expect(world.seen[1]?.headers).toMatchObject({ 'x-plain': 'p' });
      for (const name of ['authorization', 'cookie', 'x-api-key']) {
        expect(world.seen[1]?.headers[name]).toBeUndefined();
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
      world.seen.length = 0;
      await world.ask(`http://one.test:${world.plain}/1`, {
        method,
        body: 'x',
        headers: { 'content-type': 'text/plain' },
      });
      expect(world.seen.map((each) => each.method)).toEqual([method, then]);
      expect(world.seen[1]?.headers['content-type']).toBe(
        then === 'GET' ? undefined : 'text/plain',
      );
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
      expect(await world.say(`http://one.test:${world.plain}/1`)).toContain(`${reason}:`);
    });

    it('never go from https to http', async () => {
      hops({ '/1': [302, `http://one.test:${world.plain}/2`] });
      world.seen.length = 0;
      expect(await world.say(`https://one.test:${world.tls}/1`)).toContain('redirects:');
      expect(world.seen).toHaveLength(1);
    });
  });
});
