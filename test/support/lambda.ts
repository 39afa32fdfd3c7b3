import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { FunctionName } from '#config/functions.ts';

const HOST = fileURLToPath(new URL('./lambda-host.ts', import.meta.url));

/** A bundle in a process of its own, with the environment that it is given and nothing else. */
export interface TestLambda {
  readonly coldStartMs: number;
  /** Rejects with name and message of what the function threw, as Lambda tells them. */
  invoke(event: unknown): Promise<unknown>;
  close(): Promise<void>;
}

type Message =
  | { readonly loaded: true; readonly kind: string; readonly milliseconds: number }
  | { readonly loaded: false; readonly message: string }
  | { readonly id: number; readonly ok: true; readonly result: unknown }
  | { readonly id: number; readonly ok: false; readonly error: { name: string; message: string } };

/** Rejects with what the bundle said when it did not load. */
export async function startLambda(
  dist: string,
  name: FunctionName,
  env: Readonly<Record<string, string>>,
): Promise<TestLambda> {
  const child = fork(HOST, [join(dist, name, 'index.mjs')], {
    env: { ...env },
    execArgv: [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
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
