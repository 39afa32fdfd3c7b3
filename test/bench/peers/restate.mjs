// Restate: one server process with its own log on disk (4 partitions: better here than its default of
// 24), and this process as the service that it calls and as the client. Closed: the call answers when
// the result is durable. Open: accepted by /send, and the end is seen where the handler returns, a
// little early.
import { spawn } from 'node:child_process';
import { openSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import * as restate from '@restatedev/restate-sdk';
import { Agent, request } from 'undici';
import { Endings, measureAll, nextId, readTask, trivialStep } from '../shapes.ts';

const task = readTask();
const directory = join(task.directory, `restate-${process.pid}`);
await mkdir(directory, { recursive: true });

const freePort = () =>
  new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
const [ingress, admin, node, service] = [await freePort(), await freePort(), await freePort(), await freePort()];

const arch = process.arch === 'arm64' ? 'arm64' : 'x64';
const manifest = createRequire(import.meta.url).resolve(`@restatedev/restate-server-${process.platform}-${arch}/package.json`);
const log = openSync(join(directory, 'log'), 'w');
const server = spawn(join(dirname(manifest), 'bin', 'restate-server'), ['--no-logo'], {
  cwd: directory,
  stdio: ['ignore', log, log],
  env: {
    PATH: process.env.PATH,
    HOME: directory,
    RESTATE_BASE_DIR: join(directory, 'data'),
    RESTATE_NODE_NAME: 'peer',
    RESTATE_BIND_IP: '127.0.0.1',
    RESTATE_BIND_PORT: String(node),
    RESTATE_ADVERTISED_HOST: '127.0.0.1',
    RESTATE_INGRESS__BIND_PORT: String(ingress),
    RESTATE_ADMIN__BIND_PORT: String(admin),
    RESTATE_LISTEN_MODE: 'tcp',
    RESTATE_DEFAULT_NUM_PARTITIONS: '4',
    RESTATE_DISABLE_TELEMETRY: 'true',
    RESTATE_LOG_FILTER: 'warn',
  },
});
process.on('exit', () => server.kill('SIGTERM'));

const endings = new Endings();
const chain = restate.service({
  name: 'chain',
  handlers: {
    run: async (context, input) => {
      let last = input;
      for (let step = 1; step <= task.steps; step++) {
        const given = last;
        last = await context.run(`step-${step}`, () => trivialStep(step, given));
      }
      if (input.tell) endings.reached(input.id);
      return last;
    },
  },
});
const endpoint = restate.endpoint().bind(chain);
endpoint.setLogger?.(() => {});
await endpoint.listen(service);

const dispatcher = new Agent({ connections: 512, pipelining: 1 });
async function post(port, path, body) {
  const answer = await request(`http://127.0.0.1:${port}${path}`, {
    method: 'POST',
    dispatcher,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const text = await answer.body.text();
  if (answer.statusCode >= 300) throw new Error(`${path} answered ${answer.statusCode}: ${text}`);
}
for (let tries = 1; ; tries++) {
  try {
    await post(admin, '/deployments', { uri: `http://127.0.0.1:${service}` });
    break;
  } catch (error) {
    if (tries === 100 || server.exitCode !== null) throw error;
    await pause(300);
  }
}
await pause(1_000); // the first calls after a registration are retried

const called = { storePid: server.pid, submit: async () => ({ ended: post(ingress, '/chain/run', { total: 0, id: nextId() }) }) };
const sent = {
  storePid: server.pid,
  async submit() {
    const id = nextId();
    const ended = endings.expect(id);
    await post(ingress, '/chain/run/send', { total: 0, id, tell: true });
    return { ended };
  },
};
const of = (kind) => task.shapes.filter((shape) => shape.kind === kind);
await measureAll({ ...task, shapes: of('closed') }, called);
await measureAll({ ...task, shapes: of('open') }, sent);
const gone = new Promise((resolve) => server.once('exit', resolve));
server.kill('SIGTERM');
if ((await Promise.race([gone, pause(10_000, 'late')])) === 'late') server.kill('SIGKILL');
process.exit(0);
