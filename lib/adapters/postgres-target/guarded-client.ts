import type { Socket } from 'node:net';
import pg from 'pg';
import { isSameAddress } from '#core/address.ts';
import { EGRESS_REFUSED } from '#ports/egress.ts';

/** More came than a result may have; the connection is cut in the middle of it. */
export class TooMuchData extends Error {}
/** The socket is connected to something else than what the guard vetted. */
export class WrongPeer extends Error {}

/** What pg keeps behind its types: the protocol side of a client. Pinned by the exact version of pg. */
interface Wire {
  stream: Socket;
  on(event: 'connect' | 'sslconnect', listener: () => void): void;
}

export interface GuardedConfig extends pg.ClientConfig {
  /** An address, already vetted. The name stays in `ssl.servername`. */
  readonly host: string;
}

/**
 * A client that says nothing before it has seen whom it is connected to, and that receives at most
 * `allowance` bytes between two calls of `allow`: a server of a tenant is as hostile as its SQL, and
 * one row may be a gigabyte. Counting on the socket cuts it before it is assembled.
 */
export class GuardedClient extends pg.Client {
  #received = 0;
  #allowance = 1_048_576;

  constructor(config: GuardedConfig) {
    super(config);
    const wire = this.#wire();
    const count = (data: Uint8Array): void => {
      this.#received += data.byteLength;
      if (this.#received > this.#allowance) {
        wire.stream.destroy(new TooMuchData(`more than ${this.#allowance} bytes came`));
      }
    };
    // Registered before pg's own listeners, which send the first message.
    wire.on('connect', () => {
      if (!isSameAddress(wire.stream.remoteAddress ?? '', config.host)) {
        wire.stream.destroy(new WrongPeer(EGRESS_REFUSED));
      } else if (config.ssl === false) {
        wire.stream.on('data', count);
      }
    });
    wire.on('sslconnect', () => wire.stream.on('data', count));
    // A lost connection also fails the query that is under way, where it is handled; without a
    // listener the event alone would end the process.
    this.on('error', () => undefined);
  }

  /** Starts to count anew. */
  allow(bytes: number): void {
    this.#received = 0;
    this.#allowance = bytes;
  }

  /** The server's process behind this session. */
  get backend(): number | null {
    return (this as unknown as { processID: number | null }).processID;
  }

  /** Cuts the connection without a goodbye. */
  cut(): void {
    this.#wire().stream.destroy();
  }

  #wire(): Wire {
    return (this as unknown as { connection: Wire }).connection;
  }
}
