/**
 * Who is connected: the sockets of each principal, as small records that expire.
 *
 *  S1 a record says that a socket was open, never that it is: only sending tells, and a socket that is
 *     gone is forgotten there.
 *  S2 no record outlives the longest connection, whether or not its end was ever heard of.
 *  S3 a principal has a bounded number of sockets; beyond it the oldest is closed, not the newest
 *     refused, so that a client whose connections were cut without a word comes in again.
 *  S4 live and test are apart: what one mode sends never reaches a socket of the other;
 *  S5 a socket is its credential's: once that lets nobody in any more, nothing is sent over it and nothing
 *     that comes over it is answered. It is closed where that is noticed.
 */
import { isJsonObject, type Json } from '#core/json.ts';
import { MAX_RECORDS } from '#core/record.ts';
import type { Clock } from '#ports/clock.ts';
import type { KeyValue } from '#ports/key-value.ts';
import type { Sockets } from '#ports/sockets.ts';
import type { CameIn } from '../identity/still-in.ts';

/** Whose sockets; as the verified credential said. */
export type SocketOwner = Omit<CameIn, 'session'>;

export interface OpenSockets {
  opened(by: CameIn, socket: string): Promise<void>;
  closed(owner: SocketOwner, socket: string): Promise<void>;
  /** Something came over it. False: its credential lets nobody in any more, and it is closed (S5). */
  heard(by: CameIn, socket: string): Promise<boolean>;
  /** Sends to every socket of them; answers how many took it. Forgets those that are gone. */
  push(owner: SocketOwner, message: Json): Promise<number>;
}

interface OpenSocket {
  readonly socket: string;
  readonly expiresAt: number;
  /** That it was opened in; null: a key opened it. */
  readonly session: string | null;
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
  /** Whether a credential still lets its owner in: see `isStillIn`. */
  readonly isStillIn: (by: CameIn) => Promise<boolean>;
}): OpenSockets {
  const { records, sockets, clock } = deps;
  const prefixOf = ({ mode, subject }: SocketOwner): string => `${mode}/${subject}/`;
  const keyOf = (owner: SocketOwner, socket: string) => ({
    tenant: owner.tenant,
    kind: KIND,
    id: `${prefixOf(owner)}${socket}`,
  });

  /** Oldest first. More than a page of them there cannot be for long (S3). */
  async function list(owner: SocketOwner): Promise<readonly OpenSocket[]> {
    const prefix = prefixOf(owner);
    const { items } = await records.list(
      { tenant: owner.tenant, kind: KIND, prefix },
      { limit: MAX_RECORDS, after: null },
    );
    return items
      .map(({ id, value, expiresAt }) => ({
        socket: id.slice(prefix.length),
        expiresAt: expiresAt ?? 0,
        session: isJsonObject(value) ? textOf(value['session']) : null,
      }))
      .sort((left, right) => left.expiresAt - right.expiresAt);
  }

  async function shut(owner: SocketOwner, socket: string): Promise<void> {
    await sockets.close(socket);
    await records.delete(keyOf(owner, socket));
  }

  /** Those whose credentials still let them in; the others are closed. One question for each credential. */
  async function stillIn(owner: SocketOwner): Promise<readonly string[]> {
    const open = await list(owner);
    const good = new Map<string | null, boolean>();
    for (const session of new Set(open.map((each) => each.session))) {
      good.set(session, await deps.isStillIn({ ...owner, session }));
    }
    const gone = open.filter(({ session }) => good.get(session) !== true);
    await Promise.all(gone.map(({ socket }) => shut(owner, socket)));
    return open.filter((each) => !gone.includes(each)).map(({ socket }) => socket);
  }

  return {
    async opened({ session, ...owner }, socket) {
      // A repeat of the same call finds its own record, which says the same.
      await records.put(keyOf(owner, socket), null, {
        value: session === null ? null : { session },
        expiresAt: clock.now() + LONGEST_MS,
      });
      const open = (await list(owner)).filter((each) => each.socket !== socket);
      for (const old of open.slice(0, Math.max(0, open.length + 1 - MAX_SOCKETS))) {
        await shut(owner, old.socket);
      }
    },
    async closed(owner, socket) {
      await records.delete(keyOf(owner, socket));
    },
    async heard(by, socket) {
      if (await deps.isStillIn(by)) return true;
      await shut(by, socket);
      return false;
    },
    async push(owner, message) {
      const text = JSON.stringify(message);
      const taken = await Promise.all(
        (await stillIn(owner)).map(async (socket) => {
          if (await sockets.send(socket, text)) return true;
          await records.delete(keyOf(owner, socket));
          return false;
        }),
      );
      return taken.filter((each) => each).length;
    },
  };
}

function textOf(value: Json | undefined): string | null {
  return typeof value === 'string' ? value : null;
}
