/**
 * Real Redis servers (or Valkey's, where that is what there is), started for the files that ask for them
 * and stopped after their tests. Without one these suites skip loudly; with
 * CLOUDFLOW_REQUIRE_SERVICES=1 the run fails instead.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { describeIf, freePort } from './java.ts';

const PROGRAM = ['redis-server', 'valkey-server'].find(
  (name) => spawnSync(name, ['--version']).status === 0,
);
const READY_TRIES = 600;
/** A slot of a cluster is a number below this. */
const SLOTS = 16_384;

/** Whether this machine has one, for suites that can do without. */
export const hasRedis = PROGRAM !== undefined;

/** `describe` for suites that need Redis. */
export function describeWithRedis(name: string, body: () => void): void {
  describeIf(hasRedis, 'redis-server in the PATH', name, body);
}

export interface RedisServer {
  /** Without TLS. */
  readonly url: string;
  readonly port: number;
  /** With TLS; null where it was started without. */
  readonly secureUrl: string | null;
  /** Commands as an operator would type them, past the rules of access. */
  admin(...command: readonly string[]): Promise<string>;
  /** Ends its process as a crash would; `start` brings it back on the same port, empty. */
  kill(): Promise<void>;
  start(): Promise<void>;
  /** Stops answering without closing anything, until `thaw`. */
  freeze(): void;
  thaw(): void;
}

const closers: (() => Promise<void>)[] = [];
afterAll(async () => {
  for (const close of closers.splice(0)) await close();
});

export interface RedisOptions {
  /** Of a certificate for `localhost`, as PEM: it listens with TLS besides. */
  readonly tls?: { readonly key: string; readonly certificate: string };
  /** Further settings: `['--maxmemory', '10mb']`. */
  readonly settings?: readonly string[];
}

/** One server on ports that are free. */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  const folder = mkdtempSync(join(tmpdir(), 'cloudflow-redis-'));
  const port = await freePort();
  const securePort = options.tls === undefined ? null : await freePort();
  const tls =
    options.tls === undefined
      ? []
      : Object.entries({ key: options.tls.key, cert: options.tls.certificate }).flatMap(
          ([what, text]) => {
            const file = join(folder, `${what}.pem`);
            writeFileSync(file, text);
            return [`--tls-${what}-file`, file];
          },
        );
  const args = [
    ...['--port', String(port), '--bind', '127.0.0.1', '--dir', folder],
    ...['--save', '', '--appendonly', 'no', '--loglevel', 'warning'],
    ...(securePort === null
      ? []
      : ['--tls-port', String(securePort), '--tls-auth-clients', 'no', ...tls]),
    ...(options.settings ?? []),
  ];
  let child: ChildProcess | null = null;

  async function kill(): Promise<void> {
    const dying = child;
    child = null;
    if (dying === null || dying.exitCode !== null) return;
    const ended = new Promise((resolve) => dying.once('exit', resolve));
    dying.kill('SIGKILL');
    await ended;
  }

  async function start(): Promise<void> {
    child = spawn(PROGRAM ?? 'redis-server', args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let last = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        last = (last + chunk.toString()).slice(-2_000);
      });
    }
    for (let tries = 0; ; tries++) {
      try {
        await server.admin('PING');
        return;
      } catch (error) {
        if (child?.exitCode !== null || tries === READY_TRIES) {
          throw new Error(`redis-server did not start: ${last}`, { cause: error });
        }
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }

  const server: RedisServer = {
    url: `redis://127.0.0.1:${port}`,
    port,
    secureUrl: securePort === null ? null : `rediss://localhost:${securePort}`,
    admin: (...command) => ask(port, command),
    kill,
    start,
    freeze: () => void child?.kill('SIGSTOP'),
    thaw: () => void child?.kill('SIGCONT'),
  };
  closers.push(async () => {
    await kill();
    rmSync(folder, { recursive: true, force: true });
  });
  await start();
  return server;
}

/** Three of them as one cluster, without copies; all its slots are served when it answers. */
export async function startRedisCluster(
  options: RedisOptions = {},
): Promise<readonly RedisServer[]> {
  const settings = ['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1'];
  // Else the bus of a node is 10,000 above its port, which may be no port any more.
  const buses = await Promise.all([freePort(), freePort(), freePort()]);
  const servers = await Promise.all(
    buses.map((bus) => {
      const own = ['--cluster-port', String(bus), ...(options.settings ?? [])];
      return startRedis({ ...options, settings: [...settings, ...own] });
    }),
  );
  const first = servers[0] as RedisServer;
  for (const [i, server] of servers.entries()) {
    const [from, to] = [i, i + 1].map((part) => Math.floor((part * SLOTS) / servers.length));
    await server.admin('CLUSTER', 'ADDSLOTSRANGE', String(from), String(Number(to) - 1));
    const bus = String(buses[i]);
    if (i > 0) await first.admin('CLUSTER', 'MEET', '127.0.0.1', String(server.port), bus);
  }
  for (let tries = 0; ; tries++) {
    const told = await Promise.all(servers.map((server) => server.admin('CLUSTER', 'INFO')));
    if (told.every((text) => /cluster_state:ok/.test(text) && /known_nodes:3/.test(text))) {
      return servers;
    }
    if (tries === READY_TRIES) throw new Error(`no cluster came about: ${told.join('\n')}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** One command on a connection of its own; the answer as Redis writes it, or its error thrown. */
function ask(port: number, command: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () =>
      socket.write(
        `*${command.length}\r\n${command
          .map((part) => `$${Buffer.byteLength(part)}\r\n${part}\r\n`)
          .join('')}*1\r\n$4\r\nQUIT\r\n`,
      ),
    );
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    socket.on('error', reject);
    socket.on('end', () => {
      const answer = text.replace(/\+OK\r\n$/, '');
      if (answer.startsWith('-') || answer === '') reject(new Error(answer.trim()));
      else resolve(answer.trim());
      socket.end();
    });
  });
}
