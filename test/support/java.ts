/**
 * Servers that are written in Java, started for the files that ask for them and stopped after their
 * tests: a JVM takes seconds, and most runs need none. Without Java these suites skip loudly; with
 * CLOUDFLOW_REQUIRE_SERVICES=1 the run fails instead.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { afterAll, describe } from 'vitest';
import { freePort } from './free-port.ts';

export { freePort };

const READY_TRIES = 900;
/** Whether this machine has it. */
export const hasJava = spawnSync('java', ['-version']).status === 0;

/** `describe` for suites that need a server in Java. */
export function describeWithJava(name: string, body: () => void): void {
  describeIf(hasJava, 'java in the PATH', name, body);
}

export function describeIf(there: boolean, what: string, name: string, body: () => void): void {
  if (there) describe(name, body);
  else if (process.env['CLOUDFLOW_REQUIRE_SERVICES'] === '1') {
    throw new Error(`${name}: this needs ${what}`);
  } else {
    process.stderr.write(`\nSKIPPING ${name}: it needs ${what}\n\n`);
    describe.skip(`${name} (needs ${what})`, body);
  }
}

const servers = new Set<ChildProcess>();
afterAll(async () => {
  await Promise.all(
    [...servers].map((server) => {
      servers.delete(server);
      if (server.exitCode !== null) return undefined;
      const ended = new Promise((resolve) => server.once('exit', resolve));
      server.kill('SIGKILL');
      return ended;
    }),
  );
});

/** Starts `java` with these arguments for a port that is free; answers the port when it is ready. */
export async function startJava(what: {
  readonly args: (port: number) => readonly string[];
  /** Rejects until it is. */
  readonly ready: (port: number) => Promise<unknown>;
}): Promise<number> {
  const port = await freePort();
  const server = spawn('java', ['-Xmx256m', '-XX:TieredStopAtLevel=1', ...what.args(port)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  servers.add(server);
  let last = '';
  for (const stream of [server.stdout, server.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      last = (last + chunk.toString()).slice(-2_000);
    });
  }
  for (let tries = 0; ; tries++) {
    try {
      await what.ready(port);
      return port;
    } catch (error) {
      if (server.exitCode !== null || tries === READY_TRIES) {
        throw new Error(`the server did not start: ${last}`, { cause: error });
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
