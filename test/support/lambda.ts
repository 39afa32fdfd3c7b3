import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type FunctionName, functionSpec } from '#config/functions.ts';

const HOST = fileURLToPath(new URL('./lambda-host.ts', import.meta.url));

/** A bundle in a process of its own, with the environment that it is given and nothing else. */
export interface TestLambda {
  /** From the start of its process to a handler that is loaded; without the start of Node itself. */
  readonly coldStartMs: number;
  /** Of the Node that it runs on. */
  readonly version: string;
  /** Events that it was given. */
  readonly events: number;
  /** What it wrote to its log so far, a line each. */
  readonly lines: readonly string[];
  /** Rejects with name and message of what the function threw, as Lambda tells them. */
  invoke(event: unknown): Promise<unknown>;
  close(): Promise<void>;
}

type Message =
  | {
      readonly loaded: true;
      readonly kind: string;
      readonly version: string;
      readonly milliseconds: number;
    }
  | { readonly loaded: false; readonly message: string }
  | { readonly id: number; readonly ok: true; readonly result: unknown }
  | { readonly id: number; readonly ok: false; readonly error: { name: string; message: string } };

/** `folder` holds one folder for each function. Rejects with what the bundle said when it did not load. */
export async function startLambda(
  folder: string,
  name: FunctionName,
  env: Readonly<Record<string, string>>,
): Promise<TestLambda> {
  const task = join(folder, name);
  const layers = (functionSpec(name).layers ?? []).map((layer) =>
    join(folder, 'layers', layer, 'nodejs/node_modules'),
  );
  const child = fork(HOST, [join(task, 'index.mjs')], {
    cwd: task,
    // As Lambda finds layers.
    env: {
      ...env,
      ...(layers.length === 0 ? {} : { NODE_PATH: layers.join(delimiter) }),
    },
    execArgv: [],
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  let written = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    written += text;
  });
  const [first] = (await once(child, 'message')) as [Message];
  if (!('loaded' in first)) throw new Error('the host answered before it was asked');
  if (!first.loaded) throw new Error(first.message);
  if (first.kind !== 'function') throw new Error(`${name} exports no handler`);
  const waiting = new Map<number, (message: Message & { readonly id: number }) => void>();
  child.on('message', (message: Message) => {
    if (!('id' in message)) return;
    waiting.get(message.id)?.(message);
    waiting.delete(message.id);
  });
  let last = 0;
  return {
    coldStartMs: first.milliseconds,
    version: first.version,
    get events() {
      return last;
    },
    get lines() {
      return written.split('\n').filter((line) => line !== '');
    },
    invoke: (event) =>
      new Promise((resolve, reject) => {
        last += 1;
        waiting.set(last, (message) => {
          if (!('ok' in message)) return;
          if (message.ok) resolve(message.result);
          else
            reject(Object.assign(new Error(message.error.message), { name: message.error.name }));
        });
        child.send({ id: last, event });
      }),
    close: () => killed(child),
  };
}

async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}
