import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { createManagedSecrets } from '#adapters/secretsmanager/secrets.ts';
import type { Secrets } from '#ports/secrets.ts';

export function openTenantSecrets(env: {
  readonly TENANT_SECRETS_PREFIX: string;
  readonly TENANT_SECRETS_KEY: string;
}): Secrets {
  return createManagedSecrets({
    client: new SecretsManagerClient({}),
    prefix: env.TENANT_SECRETS_PREFIX,
    kmsKeyId: env.TENANT_SECRETS_KEY === '' ? null : env.TENANT_SECRETS_KEY,
  });
}
