/**
 * Stands between the platform and PostgreSQL and understands as much of the protocol as faults need:
 *
 *  X1 `swallow`: a statement that writes is passed on, and when the server has said that it is committed, that
 *     answer is thrown away and the connection is cut. Whoever waits cannot know what became of it.
 *  X2 `hold`: a statement that writes is kept back for a while and passed on then, as if the network had
 *     been slow: what its writer owned may be somebody else's by then.
 *  X3 what is no such statement is passed on as it came.
 */

import type { AddressInfo } from 'node:net';
import { connect, createServer, type Socket } from 'node:net';

export type ToProxy =
  /** `effects`: only what is committed in the database of tenants' effects. */
  | { readonly do: 'swallow'; readonly count: number; readonly of: 'any' | 'effects' }
  | { readonly do: 'hold'; readonly ms: number }
  | { readonly do: 'disarm' };
export type FromProxy =
  | { readonly kind: 'ready'; readonly port: number }
  | { readonly kind: 'swallowed'; readonly statement: string }
  /** `from`: the port of whoever sent it. */
  | { readonly kind: 'held'; readonly from: number }
  | { readonly kind: 'passed on' };

const WRITES =
  /append_transitions|accept_starts|signal_execution|answer_callback|release_executions|claim_|take_over|insert into effects|^\s*commit\b/i;
const HOLDS = /append_transitions/i;
const UNTYPED = new Set([80877102, 80877103, 80877104]);

const target = Number(process.argv[2]);
let swallow = 0;
let onlyEffects = false;
let holdMs = 0;
const tell = (message: FromProxy): void => void process.send?.(message);

interface Frame {
  readonly type: string;
  readonly bytes: Buffer;
}

/** Cuts a stream into messages; the first of a client has no type. */
function createFrames(startup: boolean): (chunk: Buffer) => Frame[] {
  let rest: Buffer = Buffer.alloc(0);
  let first = startup;
  return (chunk) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const frames: Frame[] = [];
    for (let at = 0; ; ) {
      const head = first ? 0 : 1;
      if (rest.length - at < head + 4) {
        rest = rest.subarray(at);
        return frames;
      }
      const length = head + rest.readInt32BE(at + head);
      if (rest.length - at < length) {
        rest = rest.subarray(at);
        return frames;
      }
      const bytes = rest.subarray(at, at + length);
      frames.push({ type: first ? '' : String.fromCharCode(rest[at] as number), bytes });
      if (first && !UNTYPED.has(rest.readInt32BE(at + 4))) first = false;
      at += length;
    }
  };
}

function textAt(bytes: Buffer, at: number): string {
  const end = bytes.indexOf(0, at);
  return bytes.toString('utf8', at, end);
}

function carry(client: Socket): void {
  const server = connect(target, '127.0.0.1');
  const statements = new Map<string, string>();
  const fromClient = createFrames(true);
  const fromServer = createFrames(false);
  let swallowing: string | null = null;
  let isEffects = false;
  let kept: Frame[] = [];
  let holding: Buffer[] | null = null;

  const end = (): void => {
    client.destroy();
    server.destroy();
  };
  for (const socket of [client, server]) {
    socket.setNoDelay(true);
    socket.on('error', end);
    socket.on('close', end);
  }

  /** The statement that this message runs; null where it runs none. */
  function statementOf({ type, bytes }: Frame): string | null {
    if (type === 'Q') return textAt(bytes, 5);
    if (type === 'P') {
      const name = textAt(bytes, 5);
      statements.set(name, textAt(bytes, 5 + Buffer.byteLength(name) + 1));
    }
    if (type !== 'B') return null;
    const portal = textAt(bytes, 5);
    return statements.get(textAt(bytes, 5 + Buffer.byteLength(portal) + 1)) ?? '';
  }

  function send(bytes: Buffer): void {
    if (holding !== null) holding.push(bytes);
    else if (!server.write(bytes)) client.pause();
  }
  server.on('drain', () => client.resume());
  client.on('drain', () => server.resume());

  client.on('data', (chunk: Buffer) => {
    for (const frame of fromClient(chunk)) {
      const statement = statementOf(frame);
      if (frame.type === '') isEffects ||= frame.bytes.includes('database\0effects\0');
      const isWanted = swallow > 0 && swallowing === null && (isEffects || !onlyEffects);
      if (statement !== null && isWanted && WRITES.test(statement)) {
        swallow -= 1;
        swallowing = statement;
      }
      if (statement !== null && holdMs > 0 && holding === null && HOLDS.test(statement)) {
        const ms = holdMs;
        holdMs = 0;
        holding = [];
        tell({ kind: 'held', from: client.remotePort ?? 0 });
        setTimeout(() => {
          const bytes = Buffer.concat(holding ?? []);
          holding = null;
          send(bytes);
          tell({ kind: 'passed on' });
        }, ms);
      }
      send(frame.bytes);
    }
  });

  server.on('data', (chunk: Buffer) => {
    if (swallowing === null) {
      fromServer(chunk); // keeps its place in the stream
      if (!client.write(chunk)) server.pause();
      return;
    }
    for (const frame of fromServer(chunk)) {
      kept.push(frame);
      if (frame.type !== 'Z') continue;
      const isCommitted =
        String.fromCharCode(frame.bytes[5] as number) === 'I' &&
        kept.every(({ type }) => type !== 'E');
      if (isCommitted) {
        tell({ kind: 'swallowed', statement: (swallowing ?? '').slice(0, 60) });
        end();
        return;
      }
      // An error, or a transaction that goes on: nothing was committed, so there is nothing to lose.
      swallow += 1;
      swallowing = null;
      const bytes = Buffer.concat(kept.map((each) => each.bytes));
      kept = [];
      client.write(bytes);
    }
  });
}

const listener = createServer(carry);
listener.listen(0, '127.0.0.1', () => {
  tell({ kind: 'ready', port: (listener.address() as AddressInfo).port });
});
process.on('message', (message: ToProxy) => {
  if (message.do === 'swallow') {
    swallow = message.count;
    onlyEffects = message.of === 'effects';
  } else if (message.do === 'hold') holdMs = message.ms;
  else {
    swallow = 0;
    holdMs = 0;
  }
});
process.on('disconnect', () => process.exit());
