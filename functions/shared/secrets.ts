import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { type GuardDeps, guarded } from '#adapters/aws/guarded.ts';
import { createManagedSecrets } from '#adapters/secretsmanager/secrets.ts';
import type { Secrets } from '#ports/secrets.ts';

export function openTenantSecrets(
  basics: GuardDeps,
  env: { readonly TENANT_SECRETS_PREFIX: string; readonly TENANT_SECRETS_KEY: string },
): Secrets {
  return createManagedSecrets({
    client: guarded('secrets', new SecretsManagerClient({}), basics),
    prefix: env.TENANT_SECRETS_PREFIX,
    kmsKeyId: env.TENANT_SECRETS_KEY === '' ? null : env.TENANT_SECRETS_KEY,
  });
}
