import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { FromProcess, ProcessOptions, ToProcess } from '#test/engine/engine-process.ts';

/** An HTTP target that remembers every hit, in the order and at the time it came. */
export interface Ledger {
  readonly url: string;
  readonly hits: readonly { readonly key: string; readonly pid: number; readonly at: number }[];
  close(): Promise<void>;
}

/** `answer` may hold a hit back for as long as it likes. */
export async function startLedger(
  answer: (hit: { key: string; pid: number }) => Promise<unknown>,
): Promise<Ledger> {
  const hits: { key: string; pid: number; at: number }[] = [];
  const server: Server = createServer((request, response) => {
    const hit = {
      key: String(request.headers['x-key']),
      pid: Number(request.headers['x-pid']),
      at: Date.now(),
    };
    hits.push(hit);
    request.resume();
    answer(hit).then(
      (body) => response.end(JSON.stringify(body)),
      () => response.destroy(),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/`,
    hits,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

export interface EngineProcess {
  readonly pid: number;
  readonly accepted: readonly string[];
  readonly fenced: readonly string[];
  readonly alive: boolean;
  accept(count: number): void;
  signal(signal: NodeJS.Signals): void;
  /** Kills it, stopped or not, and waits until it is gone. */
  kill(): Promise<void>;
}

const MODULE = fileURLToPath(new URL('../engine/engine-process.ts', import.meta.url));

export async function startEngineProcess(options: ProcessOptions): Promise<EngineProcess> {
  const child: ChildProcess = fork(MODULE, [JSON.stringify(options)], {
    execArgv: [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const accepted: string[] = [];
  const fenced: string[] = [];
  let alive = true;
  const exited = new Promise<void>((resolve) =>
    child.once('exit', () => {
      alive = false;
      resolve();
    }),
  );
  await new Promise<void>((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`engine process ended with ${code}`)));
    child.on('message', (message: FromProcess) => {
      if (message.kind === 'ready') resolve();
      else if (message.kind === 'accepted') accepted.push(message.id);
      else fenced.push(message.id);
    });
  });
  return {
    pid: child.pid!,
    accepted,
    fenced,
    get alive() {
      return alive;
    },
    accept: (count) => {
      child.send({ kind: 'accept', count } satisfies ToProcess);
    },
    signal: (signal) => {
      child.kill(signal);
    },
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

/** Numbers in [0, 1) that a seed fixes. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
