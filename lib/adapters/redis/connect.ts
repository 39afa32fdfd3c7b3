/**
 * A connection to Redis or Valkey, for what may be lost: caches and counters of requests.
 *
 *  R1 Nobody waits for it: a command is answered within `answerMs` or rejected, and while there is no
 *     connection it is rejected at once. Whoever asks goes on without.
 *  R2 Nothing queues up: no command waits for a connection, and at most `maxWaiting` wait for an answer.
 *  R3 Every connection logs in with a password of its own, for those of IAM expire; a lost connection is
 *     made again, at growing intervals, until it is closed.
 *  R4 All keys of one command are of one slot: in a cluster they are on one node.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { createClient, createCluster, type RedisClientOptions } from '@redis/client';
import { METRICS } from '#config/metrics.ts';
import type { Deadlines } from '#ports/deadlines.ts';
import type { Log } from '#ports/log.ts';
import type { Metrics } from '#ports/metrics.ts';
import type { Script } from './script.ts';

export interface RedisSettings {
  /** `redis://host:port`, or `rediss://` for TLS with the certificate of the host verified. */
  readonly url: string;
  /** The host is one of a cluster, which tells what is where. */
  readonly cluster: boolean;
  /** Null: whoever the server takes us for. */
  readonly login: { readonly user: string; password(): Promise<string> } | null;
  /** Shown in the server's list of clients. */
  readonly name: string;
  /** How long an answer may take, in milliseconds of real time. */
  readonly answerMs: number;
  /** Default: 1,000. */
  readonly maxWaiting?: number;
  /** Trusted besides what Node trusts, as PEM. */
  readonly certificates?: string;
}

export type Reply = string | number | null | readonly Reply[];

export interface Redis {
  /** Resolves when it is connected for the first time; never, where that never is. */
  connected(): Promise<void>;
  /** One command, of which `key` is the first key. Rejects as R1 says, and with what the server says. */
  send(key: string, command: readonly string[]): Promise<Reply>;
  /** Runs a script, which the server keeps from then on. */
  run(
    script: Script,
    keys: readonly [string, ...string[]],
    args: readonly string[],
  ): Promise<Reply>;
  /** Those that hold keys, each once: for what asks all of them, and not for one key. */
  nodes(): Promise<readonly RedisNode[]>;
  /** Ends it; commands under way are rejected. Never rejects. */
  close(): Promise<void>;
}

export interface RedisNode {
  /** As `send` of the connection. */
  send(command: readonly string[]): Promise<Reply>;
}

const CONNECT_MS = 2_000;
const FIRST_RETRY_MS = 50;
const LAST_RETRY_MS = 5_000;

/** Begins to connect, and answers at once. */
export function connectRedis(
  settings: RedisSettings,
  deps: { readonly log: Log; readonly metrics: Metrics; readonly deadlines: Deadlines },
): Redis {
  const { answerMs } = settings;
  const { log, metrics, deadlines } = deps;
  let isLost = false;
  const lost = (error: unknown): void => {
    metrics.add(METRICS.CacheConnectFailures, {});
    // Said once: the metric tells how long it lasts.
    if (!isLost) log.warn('CACHE_LOST', { error });
    isLost = true;
  };
  const ready = (): void => {
    isLost = false;
  };
  const client = settings.cluster ? ofCluster(settings, lost, ready) : ofOne(settings, lost, ready);

  const closed = new AbortController();
  const first = connectUntil(client, closed.signal, lost);
  // Whoever never asks for it must not be ended by it.
  first.catch(() => undefined);

  async function inTime<T>(asked: Promise<T>): Promise<T> {
    const deadline = deadlines.after(answerMs);
    const late = new Promise<never>((_, reject) => {
      deadline.signal.addEventListener('abort', () =>
        reject(new Error(`the cache has not answered within ${answerMs} ms`)),
      );
    });
    try {
      return await Promise.race([asked, late]);
    } finally {
      deadline.clear();
    }
  }
  const send = (key: string, command: readonly string[]): Promise<Reply> =>
    inTime(client.send(key, command));

  return {
    connected: () => first,
    send,
    async run({ text, hash }, keys, args) {
      const rest = [String(keys.length), ...keys, ...args];
      try {
        return await send(keys[0], ['EVALSHA', hash, ...rest]);
      } catch (error) {
        // A node that has never seen it, or has been made anew.
        if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error;
        return send(keys[0], ['EVAL', text, ...rest]);
      }
    },
    async nodes() {
      const all = await inTime(client.nodes());
      return all.map((node) => ({ send: (command) => inTime(node(command)) }));
    },
    async close() {
      closed.abort();
      client.end();
      await first.catch(() => undefined);
    },
  };
}

/** What a client of one node and one of a cluster have in common. */
interface Client {
  connect(): Promise<unknown>;
  send(key: string, command: readonly string[]): Promise<Reply>;
  nodes(): Promise<readonly ((command: readonly string[]) => Promise<Reply>)[]>;
  end(): void;
}

function ofOne(settings: RedisSettings, lost: Listener, ready: () => void): Client {
  const client = createClient({ ...optionsOf(settings), url: settings.url })
    .on('error', lost)
    .on('ready', ready);
  return {
    connect: () => client.connect(),
    send: (_, command) => client.sendCommand<Reply>(command),
    nodes: async () => [(command) => client.sendCommand<Reply>(command)],
    end: () => void (client.isOpen && client.destroy()),
  };
}

function ofCluster(settings: RedisSettings, lost: Listener, ready: () => void): Client {
  const options = optionsOf(settings);
  const client = createCluster({
    RESP: 2,
    rootNodes: [{ ...options, url: settings.url }],
    defaults: options,
  })
    .on('error', lost)
    .on('node-error', lost)
    .on('node-ready', ready);
  return {
    connect: () => client.connect(),
    send: (key, command) => client.sendCommand<Reply>(key, false, [...command]),
    nodes: () =>
      Promise.all(
        client.masters.map(async (master) => {
          const node = await client.nodeClient(master);
          return (command: readonly string[]) => node.sendCommand<Reply>(command);
        }),
      ),
    end: () => void (client.isOpen && client.destroy()),
  };
}

type Listener = (error: unknown) => void;

function optionsOf(settings: RedisSettings) {
  const { url, login, name, maxWaiting = 1_000, certificates } = settings;
  return {
    RESP: 2,
    name,
    disableClientInfo: true,
    maintNotifications: 'disabled',
    disableOfflineQueue: true,
    commandsQueueMaxLength: maxWaiting,
    socket: {
      connectTimeout: CONNECT_MS,
      reconnectStrategy: retryMs,
      ...(new URL(url).protocol === 'rediss:'
        ? { tls: true, ...(certificates === undefined ? {} : { ca: certificates }) }
        : {}),
    },
    ...(login === null
      ? {}
      : {
          credentialsProvider: {
            type: 'async-credentials-provider',
            credentials: async () => ({ username: login.user, password: await login.password() }),
          },
        }),
  } as const satisfies RedisClientOptions<never, never, never, 2>;
}

/** Until it is connected or `closed`: a cluster's client gives up when none of its hosts answers. */
async function connectUntil(client: Client, closed: AbortSignal, lost: Listener): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      await client.connect();
      return;
    } catch (error) {
      if (closed.aborted) throw error;
      lost(error);
    }
    await pause(retryMs(tries), undefined, { signal: closed, ref: false });
  }
}

function retryMs(tries: number): number {
  return Math.min(FIRST_RETRY_MS * 2 ** Math.min(tries, 16), LAST_RETRY_MS);
}
