import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSilentLog } from '#adapters/local/json-log.ts';
import { type Client, createClient } from '#client/client.ts';
import { isFinal } from '#core/execution/events.ts';
import type { JsonObject } from '#core/json.ts';
import { type Platform, type PlatformOptions, startPlatform } from '#local/platform.ts';
import type { VirtualClock } from '#local/virtual-clock.ts';

/** A request that the platform's steps made to the world. */
export interface Hit {
  readonly path: string;
  readonly step: string;
  readonly idempotencyKey: string;
  readonly attempt: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: unknown;
}

/** The platform in this process on a virtual clock, and an HTTP target that remembers what came. */
export interface PlatformWorld {
  readonly platform: Platform;
  readonly clock: VirtualClock;
  readonly client: Client;
  readonly target: string;
  readonly hits: Hit[];
  /** What the target answers; default 200 `{"ok":true}`. */
  answer: (hit: Hit) => { readonly status: number; readonly body?: unknown };
  execute(
    definition: JsonObject,
    runtime: 'engine' | 'step_functions',
    input?: unknown,
  ): Promise<string>;
  /** Moves time by `seconds`, until all is quiet. */
  pass(seconds: number): Promise<void>;
  finished(id: string): Promise<Awaited<ReturnType<Client['getExecution']>>>;
  stop(): Promise<void>;
}

export async function startWorld(
  databaseUrl: string,
  more: Pick<PlatformOptions, 'traces' | 'kafkaBrokers'> = {},
): Promise<PlatformWorld> {
  const hits: Hit[] = [];
  const world: { answer: PlatformWorld['answer'] } = {
    answer: () => ({ status: 200, body: { ok: true } }),
  };
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString();
      const hit: Hit = {
        path: request.url ?? '',
        step: String(request.headers['x-cloudflow-step'] ?? ''),
        idempotencyKey: String(request.headers['idempotency-key'] ?? ''),
        attempt: Number(request.headers['x-cloudflow-attempt'] ?? 0),
        headers: request.headers,
        body: text === '' ? null : JSON.parse(text),
      };
      hits.push(hit);
      const { status, body } = world.answer(hit);
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(body ?? { ok: true }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const folder = await mkdtemp(join(tmpdir(), 'cloudflow-platform-'));
  const platform = await startPlatform({
    folder,
    fresh: false,
    port: 0,
    clock: 'virtual',
    databaseUrl,
    egress: { allow: new Set([`127.0.0.1:${port}`]), httpPorts: new Set([80, 443]) },
    log: createSilentLog(),
    requestsPerMinute: 1_000_000_000,
    redisUrl: null,
    restartCommand: 'none',
    ...more,
  });
  const clock = platform.virtualClock as VirtualClock;
  const client = createClient({ baseUrl: platform.baseUrl, credential: platform.apiKey });
  return {
    platform,
    clock,
    client,
    target: `http://127.0.0.1:${port}`,
    hits,
    get answer() {
      return world.answer;
    },
    set answer(answer) {
      world.answer = answer;
    },
    async execute(definition, runtime, input = {}) {
      const { workflow_id, version } = await client.createWorkflow({ body: definition });
      const { execution_id } = await client.executeWorkflow({
        workflow_id,
        body: { version, runtime, input: input as JsonObject },
      });
      return execution_id;
    },
    pass: (seconds) => clock.advance(seconds * 1000),
    async finished(id) {
      // Calls to the target are real: time stands still until they have been answered.
      for (let look = 0; look < 600; look++) {
        await clock.settle();
        const execution = await client.getExecution({ execution_id: id });
        if (isFinal(execution.status)) return execution;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      const { status, phase, waits } = await client.getExecution({ execution_id: id });
      const { items } = await client.listEvents({ execution_id: id });
      throw new Error(
        `execution ${id} is ${status} ${phase}: ${JSON.stringify({ waits, events: items })}`,
      );
    },
    async stop() {
      await platform.stop();
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Waits in real time, with business time standing still, until `test` holds. */
export async function until(what: string, test: () => Promise<boolean> | boolean): Promise<void> {
  for (let look = 0; look < 2_000; look++) {
    if (await test()) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error(`waited in vain: ${what}`);
}
