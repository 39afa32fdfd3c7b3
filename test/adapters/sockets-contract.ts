import { expect, it } from 'vitest';
import { MAX_SOCKET_BYTES, type Sockets } from '#ports/sockets.ts';

/** Sockets of one kind, with a client at the other end of each. */
export interface SocketsUnderTest {
  readonly sockets: Sockets;
  /** A connection that a client holds open; what arrived there so far. */
  connect(): Promise<{ readonly id: string; received(): readonly string[]; isOpen(): boolean }>;
  /** The client goes away. */
  leave(id: string): Promise<void>;
}

/** What `Sockets` promises, whoever holds the connections. */
export function describeSockets(make: () => SocketsUnderTest): void {
  it('a message arrives as it was sent, in order, and at that connection alone', async () => {
    const { sockets, connect } = make();
    const [ours, theirs] = [await connect(), await connect()];
    expect(await sockets.send(ours.id, '{"text":"é ü 🚀"}')).toBe(true);
    expect(await sockets.send(ours.id, 'again')).toBe(true);
    await expect.poll(() => ours.received()).toEqual(['{"text":"é ü 🚀"}', 'again']);
    expect(theirs.received()).toEqual([]);
  });

  it('a connection that is gone is said to be, as often as one asks', async () => {
    const { sockets, connect, leave } = make();
    const { id } = await connect();
    await leave(id);
    expect(await sockets.send(id, 'too late')).toBe(false);
    expect(await sockets.send(id, 'still')).toBe(false);
    expect(await sockets.send('never-was=', 'hello?')).toBe(false);
  });

  it('a connection is ended from here, and ending it twice is no error', async () => {
    const { sockets, connect } = make();
    const connection = await connect();
    await sockets.close(connection.id);
    await expect.poll(() => connection.isOpen()).toBe(false);
    await sockets.close(connection.id);
    expect(await sockets.send(connection.id, 'too late')).toBe(false);
  });

  it('the longest message passes, and a longer one is refused before it is sent', async () => {
    const { sockets, connect } = make();
    const { id, received } = await connect();
    // Two bytes each.
    const longest = 'é'.repeat(MAX_SOCKET_BYTES / 2);
    expect(await sockets.send(id, longest)).toBe(true);
    await expect.poll(() => received().length).toBe(1);
    expect(received()[0] === longest).toBe(true);
    await expect(sockets.send(id, `${longest}.`)).rejects.toThrow(
      `a message of ${MAX_SOCKET_BYTES + 1} bytes for a socket; use at most ${MAX_SOCKET_BYTES}`,
    );
    expect(received().length).toBe(1);
  });
}
