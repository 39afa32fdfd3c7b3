import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { connect } from 'node:net';
import { freePort } from '#test/support/free-port.ts';
import { kill, until } from './children.ts';

export const REDIS_PROGRAM = ['redis-server', 'valkey-server'].find(
  (name) => spawnSync(name, ['--version']).status === 0,
);

export interface Redis {
  readonly url: string;
  readonly pid: number;
  /** One command; the answer as it came. */
  ask(...command: readonly string[]): Promise<string>;
  kill(): Promise<void>;
  start(): Promise<void>;
}

export async function startRedis(folder: string): Promise<Redis> {
  const port = await freePort();
  let child: ChildProcess;
  const redis: Redis = {
    url: `redis://127.0.0.1:${port}`,
    get pid() {
      return child.pid ?? 0;
    },
    ask: (...command) =>
      new Promise((resolve, reject) => {
        const socket = connect(port, '127.0.0.1', () => {
          const parts = command.map((part) => `$${Buffer.byteLength(part)}\r\n${part}\r\n`);
          socket.end(`*${command.length}\r\n${parts.join('')}`);
        });
        let text = '';
        socket.on('data', (chunk) => {
          text += chunk.toString();
        });
        socket.on('error', reject);
        socket.on('close', () => resolve(text.trim()));
      }),
    kill: () => kill(child),
    async start() {
      child = spawn(
        REDIS_PROGRAM ?? 'redis-server',
        ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', ''],
        { stdio: 'ignore' },
      );
      if (!(await until(30_000, async () => (await redis.ask('PING')) === '+PONG'))) {
        throw new Error('redis-server does not answer');
      }
    },
  };
  await redis.start();
  return redis;
}
