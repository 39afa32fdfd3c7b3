import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { Json } from '#core/json.ts';

/** Python with what requirements.txt names; EMULATION_PYTHON names another than `python3`. */
const PYTHON = process.env['EMULATION_PYTHON'] ?? 'python3';

/** Why the emulation cannot be had here; null when it can. */
export function missingEmulation(): string | null {
  const script = 'import moto.server, moto.stepfunctions.parser.models, jsonata.jsonata';
  const { status, stderr, error } = spawnSync(PYTHON, ['-c', script], { encoding: 'utf8' });
  if (status === 0) return null;
  return (error?.message ?? stderr.trim().split('\n').at(-1)) || `${PYTHON} ended with ${status}`;
}

export interface Emulation {
  readonly url: string;
  close(): Promise<void>;
}

/** `invoke` is what machines invoke; rejecting is what a function does that throws. */
export async function startEmulation(invoke: (payload: Json) => Promise<Json>): Promise<Emulation> {
  const functions = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const payload = JSON.parse(Buffer.concat(chunks).toString('utf8')) as Json;
      void invoke(payload)
        .then((answer) => ({ error: false, payload: answer }))
        .catch(({ name, message }: Error) => ({
          error: true,
          payload: { errorType: name, errorMessage: message },
        }))
        .then((answer) => response.end(JSON.stringify(answer)));
    });
  });
  functions.listen(0, '127.0.0.1');
  await once(functions, 'listening');
  const { port } = functions.address() as AddressInfo;
  const child: ChildProcess = spawn(
    PYTHON,
    [fileURLToPath(new URL('server.py', import.meta.url))],
    {
      env: {
        PATH: process.env['PATH'],
        HOME: process.env['HOME'],
        INVOKE_URL: `http://127.0.0.1:${port}/`,
        AWS_ACCESS_KEY_ID: 'nobody',
        AWS_SECRET_ACCESS_KEY: 'nothing',
        AWS_DEFAULT_REGION: 'us-east-1',
        PYTHONUNBUFFERED: '1',
      },
      stdio: ['pipe', 'pipe', process.env['EMULATION_LOG'] === '1' ? 'inherit' : 'ignore'],
    },
  );
  const listening = await portOf(child);
  if (listening === null) throw new Error('the emulation ended; EMULATION_LOG=1 shows why');
  return {
    url: `http://127.0.0.1:${listening}`,
    async close() {
      const ended = once(child, 'close');
      child.kill('SIGTERM');
      await ended;
      functions.closeAllConnections();
      await new Promise((resolve) => functions.close(resolve));
    },
  };
}

/** From the line that says so, among those of the server under it; null: it ended before. */
async function portOf({ stdout }: ChildProcess): Promise<number | null> {
  let said = '';
  for await (const chunk of stdout as NonNullable<typeof stdout>) {
    said += String(chunk);
    const port = /^PORT (\d+)$/m.exec(said)?.[1];
    if (port !== undefined) return Number(port);
  }
  return null;
}
