/**
 * Engines in processes of their own, beside the platform's.
 *
 *  F1 each owns what it claims under a lease of its own, as any engine anywhere: killing one loses
 *     nothing, for another takes over when the lease has run out;
 *  F2 one that ends is started again after a moment, and after a longer one each time that it ends at once:
 *     what it needs may be away, and comes back;
 *  F3 hints go round; a lost one costs time and never work.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Clock } from '#ports/clock.ts';
import type { Log } from '#ports/log.ts';
import type { ExecutionHint, RuntimeHints } from '#ports/runtime-hints.ts';

export interface EngineSettings {
  readonly folder: string;
  readonly postgresUrl: string;
  readonly publicUrl: string;
  readonly egressAllow: readonly string[];
  readonly httpPorts: readonly number[];
  readonly traces: string | null;
  /** Null: it is told of work by the platform's process. */
  readonly kafkaBrokers: readonly string[] | null;
}

export type ToEngine =
  | { readonly kind: 'accepted'; readonly hint: ExecutionHint }
  | { readonly kind: 'signalled'; readonly hint: Parameters<RuntimeHints['signalled']>[0] }
  /** Steps may connect there. */
  | { readonly kind: 'allow'; readonly pair: string };

export type FromEngine = { readonly kind: 'ready'; readonly port: number };

/** The variable that holds an engine's settings: other users of the machine cannot read it, as they could arguments. */
export const ENGINE_SETTINGS = 'CLOUDFLOW_ENGINE_SETTINGS';

export interface EngineProcess {
  readonly pid: number;
  /** Where it answers /healthz and /readyz. */
  readonly url: string;
}

export interface EngineFleet {
  readonly hints: RuntimeHints;
  readonly processes: readonly EngineProcess[];
  allow(pair: string): void;
  /** Ends all of them, each in order; kills one that takes too long. */
  stop(): Promise<void>;
}

interface Member {
  child: ChildProcess;
  /** Null: not ready yet, or not there. */
  port: number | null;
  early: number;
  /** When it has ended: what starts the next in its place. */
  again: { cancel(): void } | null;
}

const START_MS = 60_000;
const STOP_MS = 15_000;
const AGAIN_MS = 250;
/** The longest moment. */
const MOST_AGAIN_MS = 30_000;
/** One that ends before this time has ended early. */
const EARLY_MS = 5_000;
const ENTRY = fileURLToPath(new URL('./engine-process.ts', import.meta.url));

export async function startEngineFleet(deps: {
  readonly count: number;
  readonly settings: EngineSettings;
  readonly clock: Clock;
  readonly log: Log;
  /** The list of processes is another one now. */
  readonly onChange: () => void;
}): Promise<EngineFleet> {
  const { count, clock, log } = deps;
  const allowed = new Set(deps.settings.egressAllow);
  const members: Member[] = [];
  let stopping = false;
  let turn = 0;

  function launch(early: number): Member {
    const settings: EngineSettings = { ...deps.settings, egressAllow: [...allowed] };
    // The folder is an argument so that whoever looks for what runs on it finds this process.
    const child = spawn(process.execPath, [ENTRY, deps.settings.folder], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      env: { ...process.env, [ENGINE_SETTINGS]: JSON.stringify(settings) },
    });
    const member: Member = { child, port: null, early, again: null };
    const begun = clock.monotonic();
    child.on('message', (message: FromEngine) => {
      member.port = message.port;
      deps.onChange();
    });
    // A message to one that has just ended: its end is told of below.
    child.on('error', (error) => log.warn('ENGINE_PROCESS_UNREACHED', { error }));
    child.on('exit', () => {
      member.port = null;
      if (stopping) return;
      deps.onChange();
      const endedEarly = clock.monotonic() - begun < EARLY_MS ? member.early + 1 : 0;
      log.warn('ENGINE_PROCESS_ENDED', { count: endedEarly });
      member.again = clock.after(
        Math.min(MOST_AGAIN_MS, AGAIN_MS * 2 ** Math.min(endedEarly, 10)),
        () => {
          const at = members.indexOf(member);
          if (!stopping && at >= 0) members[at] = launch(endedEarly);
        },
      );
    });
    return member;
  }

  async function ready(member: Member): Promise<void> {
    const gone = once(member.child, 'exit').then(() => {
      throw new Error('an engine process ended before it was ready');
    });
    const told = new Promise<void>((resolve) => {
      member.child.on('message', () => resolve());
    });
    let late: { cancel(): void } | null = null;
    const tooLate = new Promise<never>((_, reject) => {
      const error = new Error(`an engine process took longer than ${START_MS} ms to start`);
      late = clock.after(START_MS, () => reject(error));
    });
    try {
      await Promise.race([told, gone, tooLate]);
    } finally {
      (late as { cancel(): void } | null)?.cancel();
    }
  }

  function send(message: ToEngine): void {
    const able = members.filter(({ port }) => port !== null);
    const member = able[turn++ % Math.max(1, able.length)];
    if (member?.child.connected) member.child.send(message, () => undefined);
  }

  async function stop(): Promise<void> {
    stopping = true;
    await Promise.all(
      members.map(async ({ child, again }) => {
        again?.cancel();
        if (child.exitCode !== null || child.signalCode !== null) return;
        const ended = once(child, 'exit');
        child.kill('SIGTERM');
        const killed = clock.after(STOP_MS, () => child.kill('SIGKILL'));
        await ended;
        killed.cancel();
      }),
    );
  }

  for (let i = 0; i < count; i++) members.push(launch(0));
  try {
    await Promise.all(members.map(ready));
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    hints: {
      accepted: (hint) => send({ kind: 'accepted', hint }),
      signalled: (hint) => send({ kind: 'signalled', hint }),
    },
    get processes() {
      return members.flatMap(({ child: { pid }, port }) =>
        pid === undefined || port === null ? [] : [{ pid, url: `http://127.0.0.1:${port}` }],
      );
    },
    allow(pair) {
      allowed.add(pair);
      for (const { child } of members) {
        if (child.connected)
          child.send({ kind: 'allow', pair } satisfies ToEngine, () => undefined);
      }
    },
    stop,
  };
}
