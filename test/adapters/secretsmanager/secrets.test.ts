import {
  DeleteSecretCommand,
  DescribeSecretCommand,
  ReplicateSecretToRegionsCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createManagedSecrets, readSecret } from '#adapters/secretsmanager/secrets.ts';
import { Secret } from '#core/secret.ts';
import { createSecretsService, SECRETS } from '#local/aws-endpoint/secrets-service.ts';
import { type AwsEndpoint, startAwsEndpoint } from '#local/aws-endpoint/server.ts';
import type { SecretKey, Secrets } from '#ports/secrets.ts';
import { clientConfig } from '#test/support/aws.ts';

// With the real SDK client over HTTP, against the emulation in lib/local/aws-endpoint.

const ID: SecretKey = {
  tenant: '0190b3c1-0000-7000-8000-000000000001',
  mode: 'live',
  name: 'stripe-abcdef',
};
const VALUE = 'canary-5b1f-é';

let aws: AwsEndpoint;
let client: SecretsManagerClient;
let secrets: Secrets;
beforeEach(async () => {
  aws = await startAwsEndpoint({ [SECRETS]: createSecretsService({ platform: 'key' }) });
  client = new SecretsManagerClient(clientConfig(aws));
  secrets = createManagedSecrets({
    client,
    prefix: 'cloudflow/dev/tenants',
    kmsKeyId: null,
    copy: null,
  });
});
afterEach(async () => {
  client.destroy();
  await aws.close();
});

it('keeps a value per tenant, mode and name', async () => {
  await secrets.put(ID, new Secret(VALUE));
  await secrets.put({ ...ID, mode: 'test' }, new Secret('other'));
  expect((await secrets.get(ID))?.reveal()).toBe(VALUE);
  expect((await secrets.get({ ...ID, mode: 'test' }))?.reveal()).toBe('other');
  expect(await secrets.get({ ...ID, tenant: ID.tenant.replace('1', '2') })).toBeNull();
  const where = `cloudflow/dev/tenants/${ID.tenant}/live/stripe-abcdef/value`;
  expect(await readSecret(client, where)).toBe(VALUE);
});

it('replaces, deletes, and brings back under a new value', async () => {
  await secrets.put(ID, new Secret('old'));
  await secrets.put(ID, new Secret('new'));
  expect((await secrets.get(ID))?.reveal()).toBe('new');
  await secrets.delete(ID);
  await secrets.delete(ID);
  expect(await secrets.get(ID)).toBeNull();
  await secrets.put(ID, new Secret('newest'));
  expect((await secrets.get(ID))?.reveal()).toBe('newest');
});

describe('where another region waits', () => {
  const copy = { region: 'us-west-2', kmsKeyId: 'alias/cloudflow/prod/data' };
  const NAME = `cloudflow/prod/tenants/${ID.tenant}/live/stripe-abcdef/value`;
  const copies = async () => {
    const { ReplicationStatus = [] } = await client.send(
      new DescribeSecretCommand({ SecretId: NAME }),
    );
    return ReplicationStatus.map(({ Region, KmsKeyId }) => [Region, KmsKeyId]);
  };
  const inProd = () =>
    createManagedSecrets({ client, prefix: 'cloudflow/prod/tenants', kmsKeyId: null, copy });

  it('a secret is there too, sealed with the key of that region, also one that came back', async () => {
    await inProd().put(ID, new Secret('one'));
    expect(await copies()).toEqual([[copy.region, copy.kmsKeyId]]);
    await inProd().delete(ID);
    expect(await inProd().get(ID)).toBeNull();
    expect(await copies()).toEqual([]);
    await inProd().put(ID, new Secret('two'));
    expect(await copies()).toEqual([[copy.region, copy.kmsKeyId]]);
    expect((await inProd().get(ID))?.reveal()).toBe('two');
  });

  it('what has copies is deleted where no region waits any more, and by two at once', async () => {
    await inProd().put(ID, new Secret('one'));
    const noMore = createManagedSecrets({
      client,
      prefix: 'cloudflow/prod/tenants',
      kmsKeyId: null,
      copy: null,
    });
    await Promise.all([noMore.delete(ID), inProd().delete(ID), noMore.delete(ID)]);
    expect(await noMore.get(ID)).toBeNull();
  });

  it('what is refused for another reason than that it is gone is told', async () => {
    await inProd().put(ID, new Secret('one'));
    const asked = client.send.bind(client);
    // Between our two calls somebody copies it again.
    client.send = (async (command: object, ...rest: never[]) => {
      if (command instanceof DeleteSecretCommand) {
        await asked(
          new ReplicateSecretToRegionsCommand({
            SecretId: NAME,
            AddReplicaRegions: [{ Region: 'eu-west-1' }],
          }),
        );
      }
      return asked(command as never, ...rest);
    }) as never;
    await expect(inProd().delete(ID)).rejects.toThrow('has copies in other regions');
  });
});

it('two writers at once both succeed, also where there was nothing or a deleted one', async () => {
  const both = () =>
    Promise.all(['a', 'b', 'c'].map((value) => secrets.put(ID, new Secret(value))));
  await both();
  expect(['a', 'b', 'c']).toContain((await secrets.get(ID))?.reveal());
  await secrets.delete(ID);
  await both();
  expect(['a', 'b', 'c']).toContain((await secrets.get(ID))?.reveal());
});

it.each([
  ['a name that climbs', { ...ID, name: '../platform' }],
  ['a name with a slash', { ...ID, name: 'a/b' }],
  ['a tenant that is none', { ...ID, tenant: '*' }],
])('refuses %s', async (_, key) => {
  await expect(secrets.get(key)).rejects.toThrow('cannot be named');
  await expect(secrets.put(key, new Secret('x'))).rejects.toThrow('cannot be named');
  expect(aws.asked).toEqual([]);
});

it('what the service refuses is thrown, without the value', async () => {
  await aws.close();
  const failed = await secrets.put(ID, new Secret(VALUE)).catch((error: unknown) => error);
  expect(failed).toBeInstanceOf(Error);
  expect(JSON.stringify(failed, Object.getOwnPropertyNames(failed))).not.toContain(VALUE);
});
