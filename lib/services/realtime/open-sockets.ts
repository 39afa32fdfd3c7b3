/**
 * Who is connected: the sockets of each principal, as small records that expire.
 *
 *  S1 a record says that a socket was open, never that it is: only sending tells, and a socket that is
 *     gone is forgotten there.
 *  S2 no record outlives the longest connection, whether or not its end was ever heard of.
 *  S3 a principal has a bounded number of sockets; beyond it the oldest is closed, not the newest
 *     refused, so that a client whose connections were cut without a word comes in again.
 *  S4 live and test are apart: what one mode sends never reaches a socket of the other.
 */
import type { Json } from '#core/json.ts';
import { MAX_RECORDS } from '#core/record.ts';
import type { Clock } from '#ports/clock.ts';
import type { Mode } from '#ports/execution-store.ts';
import type { KeyValue } from '#ports/key-value.ts';
import type { Sockets } from '#ports/sockets.ts';

/** Whose sockets; as the verified credential said. */
export interface SocketOwner {
  readonly tenant: string;
  readonly mode: Mode;
  /** `Principal.subject`. */
  readonly subject: string;
}

export interface OpenSockets {
  opened(owner: SocketOwner, socket: string): Promise<void>;
  closed(owner: SocketOwner, socket: string): Promise<void>;
  /** Sends to every socket of them; answers how many took it. Forgets those that are gone. */
  push(owner: SocketOwner, message: Json): Promise<number>;
}

const KIND = 'socket';
/** API Gateway ends every connection after two hours. */
const LONGEST_MS = 2 * 3_600_000;
/** Browser tabs, phones and programs of one principal. */
export const MAX_SOCKETS = 20;

export function createOpenSockets(deps: {
  readonly records: KeyValue;
  readonly sockets: Sockets;
  readonly clock: Clock;
}): OpenSockets {
  const { records, sockets, clock } = deps;
  const prefixOf = ({ mode, subject }: SocketOwner): string => `${mode}/${subject}/`;
  const keyOf = (owner: SocketOwner, socket: string) => ({
    tenant: owner.tenant,
    kind: KIND,
    id: `${prefixOf(owner)}${socket}`,
  });

  /** Oldest first. More than a page of them there cannot be for long (S3). */
  async function list(owner: SocketOwner): Promise<readonly string[]> {
    const prefix = prefixOf(owner);
    const { items } = await records.list(
      { tenant: owner.tenant, kind: KIND, prefix },
      { limit: MAX_RECORDS, after: null },
    );
    return [...items]
      .sort((left, right) => (left.expiresAt ?? 0) - (right.expiresAt ?? 0))
      .map(({ id }) => id.slice(prefix.length));
  }

  return {
    async opened(owner, socket) {
      // A repeat of the same call finds its own record, which says the same.
      await records.put(keyOf(owner, socket), null, {
        value: null,
        expiresAt: clock.now() + LONGEST_MS,
      });
      const open = (await list(owner)).filter((each) => each !== socket);
      for (const old of open.slice(0, Math.max(0, open.length + 1 - MAX_SOCKETS))) {
        await sockets.close(old);
        await records.delete(keyOf(owner, old));
      }
    },
    async closed(owner, socket) {
      await records.delete(keyOf(owner, socket));
    },
    async push(owner, message) {
      const text = JSON.stringify(message);
      const taken = await Promise.all(
        (await list(owner)).map(async (socket) => {
          if (await sockets.send(socket, text)) return true;
          await records.delete(keyOf(owner, socket));
          return false;
        }),
      );
      return taken.filter((each) => each).length;
    },
  };
}
