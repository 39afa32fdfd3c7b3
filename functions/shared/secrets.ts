import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { type GuardDeps, guarded } from '#adapters/aws/guarded.ts';
import { createManagedSecrets } from '#adapters/secretsmanager/secrets.ts';
import type { Secrets } from '#ports/secrets.ts';

export function openTenantSecrets(
  basics: GuardDeps,
  env: {
    readonly TENANT_SECRETS_PREFIX: string;
    readonly TENANT_SECRETS_KEY: string;
    readonly TENANT_SECRETS_COPY: string;
  },
): Secrets {
  return createManagedSecrets({
    client: guarded('secrets', new SecretsManagerClient({}), basics),
    prefix: env.TENANT_SECRETS_PREFIX,
    kmsKeyId: env.TENANT_SECRETS_KEY === '' ? null : env.TENANT_SECRETS_KEY,
    copy: copyOf(env.TENANT_SECRETS_COPY),
  });
}

/** `region,key`; empty: none. */
function copyOf(text: string): { readonly region: string; readonly kmsKeyId: string } | null {
  if (text === '') return null;
  const [region = '', kmsKeyId = '', ...more] = text.split(',');
  if (region === '' || kmsKeyId === '' || more.length > 0) {
    throw new TypeError('TENANT_SECRETS_COPY is a region and a key with a comma between');
  }
  return { region, kmsKeyId };
}
