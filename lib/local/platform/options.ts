import type { EgressPolicy } from '#config/egress.ts';
import type { Log } from '#ports/log.ts';
import type { FirstPeople } from '../first-people.ts';
import type { StateFolder } from '../state-folder.ts';
import type { VirtualClock } from '../virtual-clock.ts';

export interface PlatformOptions {
  /** Where state lives. */
  readonly folder: string;
  readonly fresh: boolean;
  /** 0: any free one. */
  readonly port: number;
  readonly clock: 'real' | 'virtual';
  /** Null: an embedded server under `folder`. Else a superuser's or schema owner's URL. */
  readonly databaseUrl: string | null;
  readonly egress: EgressPolicy;
  /** `host:port` of brokers that events go to; absent: they stay in PostgreSQL, and are read there. */
  readonly kafkaBrokers?: readonly string[] | undefined;
  readonly log: Log;
  /** Of every caller, where its key says nothing else. */
  readonly requestsPerMinute: number;
  /** Of a Redis or Valkey server without TLS; null: requests are counted in this process. */
  readonly redisUrl: string | null;
  /** `host:port` of a daemon of X-Ray that is told of traces; absent: none is. */
  readonly traces?: string | undefined;
  /** Engines in processes of their own. Absent or 0: one, in this process. */
  readonly engines?: number;
  /** How this process is started again, for `stack.json`. */
  readonly restartCommand: string;
}

export interface Platform {
  readonly baseUrl: string;
  readonly apiKey: string;
  readonly admin: FirstPeople;
  readonly postgresUrl: string;
  readonly kafkaBrokers: readonly string[] | null;
  readonly state: StateFolder;
  /** Null unless the platform was started with a virtual one. */
  readonly virtualClock: VirtualClock | null;
  /** Resolves when the embedded PostgreSQL is gone: nothing can go on, and nothing is lost. */
  readonly databaseLost: Promise<void>;
  /** Adds an exact host and port that steps may connect to, until this process ends. */
  allowEgress(pair: string): void;
  /** Ends everything in order; what runs goes on at the next start. Twice is harmless. */
  stop(): Promise<void>;
}

/** Tells how a part is given back: what was told last is given back first. */
export type OnStop = (undo: () => Promise<void>) => void;
