/**
 * What steps call: a process of its own that writes down every call before it answers, dedupes nothing and
 * never answers two calls alike, so that a result can be traced to the one call it came from.
 *
 * A query says how it behaves: `slow` (milliseconds), `fail` (so many calls of a key are answered 500
 * first), `lose` (so many are done, and their connection is cut instead of answered). With a token of a
 * callback it answers the token twice.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { openLines } from './files.ts';
import type { Call } from './records.ts';

const ANSWER_TRIES = 120;
const ANSWER_AGAIN_MS = 1_000;

const lines = await openLines(process.argv[2] as string);
const times = new Map<string, number>();
let serial = 0;

const server = createServer((request, response) => {
  answer(request, response).catch(() => response.destroy());
});
server.keepAliveTimeout = 60_000;

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const from = Date.now();
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const { headers } = request;
  const of = (name: string): string => String(headers[name] ?? '');
  const { canary, given } = bodyOf(Buffer.concat(chunks).toString());
  const query = new URL(request.url ?? '/', 'http://target').searchParams;
  const number = (name: string): number => Number(query.get(name) ?? 0);
  const key = of('idempotency-key');
  const time = (times.get(key) ?? 0) + 1;
  times.set(key, time);
  if (number('slow') > 0) await pause(number('slow'));
  const fails = time <= number('fail');
  const loses = !fails && time <= number('fail') + number('lose');
  const value = fails ? null : `v${++serial}`;
  const call: Call = {
    ...{ key, execution: of('x-cloudflow-execution'), step: of('x-cloudflow-step') },
    ...{ attempt: Number(of('x-cloudflow-attempt')), canary, given },
    ...{ from, to: Date.now(), value },
  };
  await lines.write(call);
  if (loses) {
    response.destroy();
    return;
  }
  response.writeHead(fails ? 500 : 200, { 'content-type': 'application/json' });
  response.end(JSON.stringify(fails ? { refused: true } : { value }));
  const complete = headers['x-cloudflow-complete-url'];
  if (typeof complete === 'string' && value !== null) {
    await pause(30);
    await Promise.all([complete, complete].map((url) => answerToken(url, value)));
  }
}

/** Until the platform has heard of it, one way or the other. */
async function answerToken(url: string, value: string): Promise<void> {
  for (let tries = 0; tries < ANSWER_TRIES; tries++) {
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'idempotency-key': `${url.slice(-40)}` },
        body: JSON.stringify({ result: { value } }),
        signal: AbortSignal.timeout(10_000),
      });
      const { status } = response;
      const { code } = (await response.json()) as { code?: string };
      // With this code the first try of this key is under way, or its answer was never written down.
      if (status < 500 && status !== 429 && code !== 'IDEMPOTENCY_IN_PROGRESS') return;
    } catch {
      // The platform is away at the moment.
    }
    await pause(ANSWER_AGAIN_MS);
  }
}

function bodyOf(text: string): Pick<Call, 'canary' | 'given'> {
  try {
    const body = JSON.parse(text) as { canary?: string; given?: Record<string, string> };
    return { canary: body.canary ?? null, given: body.given ?? {} };
  } catch {
    return { canary: null, given: {} };
  }
}

server.listen(0, '127.0.0.1', () => {
  process.send?.({ port: (server.address() as AddressInfo).port });
});
// Whoever started it has gone, and with it every reason to answer.
process.on('disconnect', () => process.exit());
