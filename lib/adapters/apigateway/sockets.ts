import {
  type ApiGatewayManagementApiClient,
  DeleteConnectionCommand,
  GoneException,
  PostToConnectionCommand,
} from '@aws-sdk/client-apigatewaymanagementapi';
import { MAX_SOCKET_BYTES, type Sockets } from '#ports/sockets.ts';

/**
 * WebSockets that API Gateway holds. `client` has the address of the stage as its endpoint. What API
 * Gateway refuses for now (its quota of calls) the client repeats and then throws.
 */
export function createGatewaySockets(client: ApiGatewayManagementApiClient): Sockets {
  return {
    async send(socket, text) {
      const data = Buffer.from(text, 'utf8');
      if (data.byteLength > MAX_SOCKET_BYTES) {
        throw new TypeError(
          `a message of ${data.byteLength} bytes for a socket; use at most ${MAX_SOCKET_BYTES}`,
        );
      }
      return isThere(
        client.send(new PostToConnectionCommand({ ConnectionId: socket, Data: data })),
      );
    },
    async close(socket) {
      await isThere(client.send(new DeleteConnectionCommand({ ConnectionId: socket })));
    },
  };
}

async function isThere(asked: Promise<unknown>): Promise<boolean> {
  try {
    await asked;
    return true;
  } catch (error) {
    if (error instanceof GoneException) return false;
    throw error;
  }
}
