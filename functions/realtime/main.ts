import { ApiGatewayManagementApiClient } from '@aws-sdk/client-apigatewaymanagementapi';
import { createGatewaySockets } from '#adapters/apigateway/sockets.ts';
import { guarded } from '#adapters/aws/guarded.ts';
import { createSigningKeys } from '#adapters/postgres/signing-keys.ts';
import { readEnv } from '#config/env.ts';
import { createAuthenticate } from '#services/identity/authenticate.ts';
import { isStillIn } from '#services/identity/still-in.ts';
import { createOpenSockets } from '#services/realtime/open-sockets.ts';
import { createVerifier } from '../identity/create-verifier.ts';
import { openPools } from '../shared/database.ts';
import { invoked } from '../shared/invoked.ts';
import { createBasics } from '../shared/process.ts';
import { openRecords } from '../shared/records.ts';
import { createSocketEvents } from './socket-events.ts';

const env = readEnv('realtime', process.env);
const basics = createBasics('realtime', env);
const openPool = openPools(basics, env);
const app = openPool('cloudflow_app', 2);
const signingKeys = createSigningKeys({ pool: app, clock: basics.clock, sealer: null });
const verifier = createVerifier({
  app,
  login: openPool('cloudflow_login', 1),
  signingKeys,
  issuer: () => env.PUBLIC_URL,
  ...basics,
});
const open = createOpenSockets({
  records: openRecords(basics, env, app),
  sockets: createGatewaySockets(
    guarded('sockets', new ApiGatewayManagementApiClient({ endpoint: env.SOCKETS_URL }), basics),
  ),
  clock: basics.clock,
  isStillIn: (by) => isStillIn(verifier, by),
});

/** WebSockets of API Gateway: who may connect, who is connected, and what they say. */
export const handler = invoked(
  basics,
  createSocketEvents({ authenticate: createAuthenticate(verifier), open }),
);
