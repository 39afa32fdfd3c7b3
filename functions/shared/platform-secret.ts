import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { type GuardDeps, guarded } from '#adapters/aws/guarded.ts';
import { readSecret } from '#adapters/secretsmanager/secrets.ts';

/** A secret of the platform itself. Throws when it is not there: nothing works without it. */
export async function platformSecret(basics: GuardDeps, id: string): Promise<string> {
  const client = guarded('secrets', new SecretsManagerClient({}), basics);
  const text = await readSecret(client, id);
  client.destroy();
  if (text === null) throw new Error(`there is no secret ${id}`);
  return text;
}
