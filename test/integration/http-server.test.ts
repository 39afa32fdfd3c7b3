import { connect } from 'node:net';
import { expect, it } from 'vitest';
import { createIds } from '#adapters/local/ids.ts';
import { createSilentLog } from '#adapters/local/json-log.ts';
import { DEFAULT_TIMEOUT_MS } from '#client/client.ts';
import { API_LIMITS } from '#config/api-limits.ts';
import { FUNCTIONS, functionNames, functionSpec } from '#config/functions.ts';
import { TIME_LIMITS } from '#config/time-limits.ts';
import { startHttpServer } from '#local/http-server.ts';

it('whoever waits has more patience than whom it waits for', () => {
  const { edge, gateway, statement, connection } = TIME_LIMITS;
  const chain = [DEFAULT_TIMEOUT_MS, edge, gateway, TIME_LIMITS.function, connection + statement];
  expect(chain).toEqual(chain.toSorted((a, b) => b - a));
  expect(new Set(chain).size).toBe(chain.length);
  expect(chain).toEqual([60_000, 55_000, 29_000, 28_000, 20_000]);
  const serving = functionNames.filter((name) =>
    functionSpec(name).triggers.some(({ kind }) => kind === 'http'),
  );
  for (const name of serving) {
    expect(FUNCTIONS[name].timeoutSeconds * 1_000).toBe(TIME_LIMITS.function);
  }
  expect(API_LIMITS.headersTimeoutMs).toBeLessThan(API_LIMITS.requestTimeoutMs);
  expect(API_LIMITS.requestTimeoutMs).toBeLessThan(edge);
  // A proxy in front gives up a connection that it does not use before we do.
  expect(API_LIMITS.keepAliveTimeoutMs).toBeGreaterThan(DEFAULT_TIMEOUT_MS);
});

/** More than the buffers of both ends of a connection hold. */
const HUGE = 'x'.repeat(64 * 1_048_576);
const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';

it('a client that does not read its answer is cut off, and one that waits for it is not (H4)', async () => {
  let waits = 0;
  const server = await startHttpServer({
    port: 0,
    log: createSilentLog(),
    ids: createIds(),
    limits: { idleTimeoutMs: 300 },
    async handler({ path }) {
      if (path === '/huge') return { status: 200, headers: {}, body: HUGE };
      // Longer than nothing may move.
      await new Promise((resolve) => setTimeout(resolve, 1_200));
      waits += 1;
      return { status: 200, headers: {}, body: 'late' };
    },
  });
  try {
    const answer = await fetch(server.url, { headers: { connection: 'close' } });
    expect([await answer.text(), waits]).toEqual(['late', 1]);

    const socket = connect(server.port, '127.0.0.1');
    socket.on('error', () => {}); // a reset is one way of being cut off
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.once('connect', () => socket.write(GET.replace('/', '/huge')));
    // Takes the first of it and then nothing more, until the other end must have given up.
    await new Promise((resolve) => socket.once('data', resolve));
    socket.pause();
    await expect.poll(() => server.connections(), { timeout: 30_000 }).toBe(0);
    socket.resume();
    await closed;
    expect(socket.bytesRead).toBeLessThan(HUGE.length);
  } finally {
    await server.close(0);
  }
});
