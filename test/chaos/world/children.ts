/** Processes that the harness starts, signals and buries. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export interface Helper<To, From> {
  readonly pid: number;
  send(message: To): void;
  onMessage(hear: (message: From) => void): void;
  kill(): Promise<void>;
}

/** A module of this folder as a process of its own; answers with its first message. */
export async function startHelper<To extends object, From extends object>(
  module: string,
  args: readonly string[],
): Promise<{ readonly helper: Helper<To, From>; readonly first: From }> {
  const file = fileURLToPath(new URL(`../${module}`, import.meta.url));
  const child = fork(file, [...args], {
    execArgv: [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const gone = once(child, 'exit').then(([code]) => {
    throw new Error(`${module} ended with ${code}`);
  });
  gone.catch(() => undefined);
  const [first] = (await Promise.race([once(child, 'message'), gone])) as [From];
  return {
    first,
    helper: {
      pid: child.pid ?? 0,
      send: (message) => void child.send(message),
      onMessage: (hear) => void child.on('message', (message) => hear(message as From)),
      kill: () => kill(child),
    },
  };
}

export async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

/** As the system shows it: `R`, `S`, `T` (stopped), `Z`, ...; null: there is no such process. */
export function stateOf(pid: number): string | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2)[0] ?? null;
  } catch {
    return null;
  }
}

export function isAlive(pid: number): boolean {
  const state = stateOf(pid);
  return state !== null && state !== 'Z' && state !== 'X';
}

/** A process that has ended already is what was wanted. */
export function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    process.kill(pid, name);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

/** Looks until it holds; answers whether it did in time. */
export async function until(
  ms: number,
  holds: () => boolean | Promise<boolean>,
  everyMs = 100,
): Promise<boolean> {
  for (const end = performance.now() + ms; ; await pause(everyMs)) {
    try {
      if (await holds()) return true;
    } catch {
      // What is asked may be away just now.
    }
    if (performance.now() > end) return false;
  }
}
