/**
 * Connections of WebSockets that clients hold open somewhere else. A connection is known by the id that
 * whoever holds it gave it, and may be gone at any time without our hearing of it.
 */
export interface Sockets {
  /**
   * Sends one text message. False: the connection is gone and will not come back under this id. A text
   * of more than `MAX_SOCKET_BYTES` is a TypeError, before anything is sent.
   */
  send(socket: string, text: string): Promise<boolean>;
  /** Ends a connection from this side; one that is gone already is no error. */
  close(socket: string): Promise<void>;
}

/** Of one message; API Gateway splits it into frames of 32 KB. */
export const MAX_SOCKET_BYTES = 131_072;
