import { ApiGatewayManagementApiClient } from '@aws-sdk/client-apigatewaymanagementapi';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createGatewaySockets } from '#adapters/apigateway/sockets.ts';
import { clientConfig } from '#test/support/aws.ts';
import { type GatewaySockets, startGatewaySockets } from '#test/support/gateway-sockets.ts';
import { describeSockets } from '../sockets-contract.ts';

// With the real SDK client over HTTP.

let gateway: GatewaySockets;
let client: ApiGatewayManagementApiClient;
beforeAll(async () => {
  gateway = await startGatewaySockets();
  client = new ApiGatewayManagementApiClient(clientConfig(gateway));
});
afterAll(async () => {
  client?.destroy();
  await gateway?.close();
});
let last = 0;
const connect = () => {
  last += 1;
  // As API Gateway names them: with letters that a path must escape.
  const id = `L0SM9c/+${last}=`;
  gateway.open.set(id, []);
  return id;
};

describe('WebSockets that API Gateway holds', () => {
  describeSockets(() => ({
    sockets: createGatewaySockets(client),
    async connect() {
      const id = connect();
      const sent = gateway.open.get(id) ?? [];
      return { id, received: () => sent, isOpen: () => gateway.open.has(id) };
    },
    leave: async (id) => void gateway.open.delete(id),
  }));

  it('what API Gateway refuses for now is an error, and not a connection that is gone', async () => {
    const sockets = createGatewaySockets(client);
    const id = connect();
    for (const [status, type] of [
      [403, 'ForbiddenException'],
      [429, 'LimitExceededException'],
      [500, 'InternalServerError'],
    ] as const) {
      gateway.refuseOnce(status, type);
      await expect(sockets.send(id, 'now')).rejects.toMatchObject({ name: type });
      gateway.refuseOnce(status, type);
      await expect(sockets.close(id)).rejects.toMatchObject({ name: type });
    }
    expect(await sockets.send(id, 'then')).toBe(true);
  });
});
