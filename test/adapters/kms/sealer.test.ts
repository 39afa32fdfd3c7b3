import { KMSClient } from '@aws-sdk/client-kms';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createKmsSealer } from '#adapters/kms/sealer.ts';
import { isUnavailable } from '#functions/shared/unavailable.ts';
import { createKeysService, KEYS } from '#local/aws-endpoint/keys-service.ts';
import { type AwsEndpoint, startAwsEndpoint } from '#local/aws-endpoint/server.ts';
import { sealerContract } from '#test/adapters/sealer-contract.ts';
import { clientConfig } from '#test/support/aws.ts';

// With the real SDK client over HTTP, against the emulation in lib/local/aws-endpoint.

let aws: AwsEndpoint;
let client: KMSClient;
beforeAll(async () => {
  aws = await startAwsEndpoint({ [KEYS]: createKeysService() });
  client = new KMSClient(clientConfig(aws));
});
afterAll(async () => {
  client.destroy();
  await aws.close();
});

sealerContract(async () => ({
  one: createKmsSealer({ client, keyId: 'alias/one' }),
  same: createKmsSealer({ client, keyId: 'alias/one' }),
  other: createKmsSealer({ client, keyId: 'alias/other' }),
}));

it('a service that is away is no broken seal', async () => {
  const away = new KMSClient({ ...clientConfig(aws), endpoint: 'http://127.0.0.1:1' });
  const sealer = createKmsSealer({ client: away, keyId: 'alias/one' });
  await expect(sealer.open('a', new Uint8Array(40))).rejects.toSatisfy(isUnavailable);
  away.destroy();
});
