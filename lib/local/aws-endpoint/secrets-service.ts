import { randomUUID } from 'node:crypto';
import { AwsError, type Service, textOf } from './server.ts';

/** Target of Secrets Manager's requests. */
export const SECRETS = 'secretsmanager';

/** Emulates the operations of Secrets Manager that our adapter uses; values are kept in memory. */
export function createSecretsService(given: Readonly<Record<string, string>> = {}): Service {
  const kept = new Map<string, { value: string; deleted: boolean }>(
    Object.entries(given).map(([name, value]) => [name, { value, deleted: false }]),
  );
  const arnOf = (name: string) => `arn:aws:secretsmanager:local:000000000000:secret:${name}`;

  function find(name: string): { value: string; deleted: boolean } {
    const secret = kept.get(name);
    if (secret === undefined) {
      throw new AwsError('ResourceNotFoundException', `there is no secret '${name}'`);
    }
    return secret;
  }
  function living(name: string): { value: string; deleted: boolean } {
    const secret = find(name);
    if (secret.deleted) {
      throw new AwsError('InvalidRequestException', `'${name}' is marked for deletion`);
    }
    return secret;
  }

  return {
    CreateSecret(input) {
      const name = textOf(input, 'Name');
      const there = kept.get(name);
      if (there?.deleted) {
        throw new AwsError('InvalidRequestException', `'${name}' is marked for deletion`);
      }
      if (there !== undefined) {
        throw new AwsError('ResourceExistsException', `the secret '${name}' exists`);
      }
      kept.set(name, { value: textOf(input, 'SecretString'), deleted: false });
      return { ARN: arnOf(name), Name: name, VersionId: randomUUID() };
    },
    PutSecretValue(input) {
      const name = textOf(input, 'SecretId');
      living(name).value = textOf(input, 'SecretString');
      return { ARN: arnOf(name), Name: name, VersionId: randomUUID() };
    },
    GetSecretValue(input) {
      const name = textOf(input, 'SecretId');
      return { ARN: arnOf(name), Name: name, SecretString: living(name).value };
    },
    DeleteSecret(input) {
      const name = textOf(input, 'SecretId');
      living(name).deleted = true;
      return { ARN: arnOf(name), Name: name };
    },
    RestoreSecret(input) {
      const name = textOf(input, 'SecretId');
      find(name).deleted = false;
      return { ARN: arnOf(name), Name: name };
    },
  };
}
