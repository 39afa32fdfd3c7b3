/** The API over HTTP beside a bare `node:http` server: one server process, one load process. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { createClient } from '#client/client.ts';
import type { Load, LoadResult } from './load.ts';
import { busySeconds, cpuSecondsOf, untilQuiet } from './machine.ts';
import type { Stores } from './stores.ts';

export interface HttpMeasured extends LoadResult {
  readonly what: string;
  readonly connections: number;
  /** Microseconds of the server process per request, and of PostgreSQL. */
  readonly serverCpu: number;
  readonly postgresCpu: number;
  readonly outside: number;
}

export interface HttpOptions {
  readonly seconds: number;
  readonly quietSeconds: number;
  /** Further flags of the platform's Node, e.g. a profiler's. */
  readonly nodeFlags?: readonly string[];
}

const CONNECTIONS = [1, 64];
const STEP = { id: 'only', type: 'transform', depends_on: [], config: { value: { ok: true } } };
const DEFINITION = {
  workflow_id: 'bench-http',
  version: '1.0.0',
  runtime: 'engine',
  steps: [STEP],
};
const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

interface Server {
  readonly process: ChildProcess;
  readonly firstLine: string;
}

export async function measureHttp(stores: Stores, options: HttpOptions): Promise<HttpMeasured[]> {
  const database = await stores.createDatabase();
  const platform = await startServer('http-platform.ts', options.nodeFlags ?? [], {
    BENCH_FOLDER: join(stores.directory, 'platform'),
    BENCH_DATABASE_URL: database,
  });
  const bare = await startServer('http-bare.ts', [], {});
  try {
    const { baseUrl, apiKey } = JSON.parse(platform.firstLine) as Record<string, string>;
    const client = createClient({ baseUrl: baseUrl as string, credential: apiKey as string });
    await client.createWorkflow({ body: DEFINITION });
    const url = new URL(baseUrl as string);
    const ours = (method: string, path: string, body: string | null): string =>
      [
        `${method} /api/v1/workflows/bench-http${path} HTTP/1.1`,
        `Host: ${url.host}`,
        `Authorization: Bearer ${apiKey}`,
        ...(body === null
          ? []
          : ['Content-Type: application/json', `Content-Length: ${Buffer.byteLength(body)}`]),
        '',
        body ?? '',
      ].join('\r\n');
    const input = JSON.stringify({ input: { key: 'value', n: 1 } });
    const plain = `GET / HTTP/1.1\r\nHost: bare\r\n\r\n`;
    const posted = `POST / HTTP/1.1\r\nHost: bare\r\nContent-Type: application/json\r\nContent-Length: ${input.length}\r\n\r\n${input}`;
    const cases = [
      { what: 'bare GET', server: bare, port: Number(bare.firstLine), request: plain },
      {
        what: 'GET /workflows/{id}',
        server: platform,
        port: Number(url.port),
        request: ours('GET', '', null),
      },
      { what: 'bare POST', server: bare, port: Number(bare.firstLine), request: posted },
      {
        what: 'POST /workflows/{id}/execute',
        server: platform,
        port: Number(url.port),
        request: ours('POST', '/execute', input),
      },
    ];
    const measured: HttpMeasured[] = [];
    for (const { what, server, port, request } of cases) {
      for (const connections of CONNECTIONS) {
        await untilQuiet(options.quietSeconds);
        const load = { port, request, connections, warmUpSeconds: 1, seconds: options.seconds };
        measured.push({
          what,
          connections,
          ...(await underLoad(load, server.process.pid as number, stores.postgres.pid)),
        });
      }
    }
    return measured;
  } finally {
    await Promise.all([stop(platform.process), stop(bare.process)]);
    await stores.dropDatabase(database);
  }
}

async function startServer(
  script: string,
  nodeFlags: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Server> {
  const child = spawn(process.execPath, [...nodeFlags, '--no-warnings', here(script)], {
    env: { ...process.env, NODE_ENV: 'production', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  // Also when the bench is ended by a signal: a server would wait for ever.
  process.once('exit', () => child.kill('SIGTERM'));
  for await (const line of createInterface({ input: child.stdout })) {
    return { process: child, firstLine: line };
  }
  throw new Error(`${script} ended before it listened`);
}

function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once('exit', () => resolve());
    child.kill('SIGTERM');
  });
}

type UnderLoad = Omit<HttpMeasured, 'what' | 'connections'>;

function underLoad(load: Load, serverPid: number, postgresPid: number): Promise<UnderLoad> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--no-warnings', here('load.ts')], {
      env: { ...process.env, BENCH_LOAD: JSON.stringify(load) },
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    });
    const cpu = { server: 0, postgres: 0, load: 0, machine: 0, from: 0 };
    const look = () => ({
      server: cpuSecondsOf(serverPid),
      postgres: cpuSecondsOf(postgresPid),
      load: cpuSecondsOf(child.pid ?? null),
      machine: busySeconds(),
      from: performance.now(),
    });
    let used = look();
    child.once('message', () => Object.assign(cpu, look()));
    let text = '';
    child.stdout?.setEncoding('utf8').on('data', (part: string) => {
      used = look(); // the load process is still there to be looked at
      text += part;
    });
    child.once('error', reject);
    child.once('close', (code) => {
      if (code !== 0) {
        reject(new Error(`the load ended with code ${code}`));
        return;
      }
      const result = JSON.parse(text) as LoadResult;
      const mine = used.server - cpu.server + used.postgres - cpu.postgres + used.load - cpu.load;
      resolve({
        ...result,
        serverCpu: ((used.server - cpu.server) / result.requests) * 1e6,
        postgresCpu: ((used.postgres - cpu.postgres) / result.requests) * 1e6,
        outside: Math.max(
          0,
          (used.machine - cpu.machine - mine) / ((used.from - cpu.from) / 1_000),
        ),
      });
    });
  });
}
