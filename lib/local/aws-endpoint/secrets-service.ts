import { randomUUID } from 'node:crypto';
import { AwsError, type Service, textOf } from './server.ts';

/** Seconds since the epoch: every version is as old as that, for nobody here asks which came first. */
const CREATED = Math.floor(Date.now() / 1_000);

/** Target of Secrets Manager's requests. */
export const SECRETS = 'secretsmanager';

interface Copy {
  readonly Region: string;
  readonly KmsKeyId?: string;
}

interface Kept {
  value: string;
  deleted: boolean;
  readonly copies: Copy[];
}

function copiesOf(input: Readonly<Record<string, unknown>>): Copy[] {
  return [...((input['AddReplicaRegions'] ?? []) as readonly Copy[])];
}

/** Emulates the operations of Secrets Manager that our adapter uses; values are kept in memory. */
export function createSecretsService(given: Readonly<Record<string, string>> = {}): Service {
  const kept = new Map<string, Kept>(
    Object.entries(given).map(([name, value]) => [name, { value, deleted: false, copies: [] }]),
  );
  const arnOf = (name: string) => `arn:aws:secretsmanager:local:000000000000:secret:${name}`;

  function find(name: string): Kept {
    const secret = kept.get(name);
    if (secret === undefined) {
      throw new AwsError('ResourceNotFoundException', `there is no secret '${name}'`);
    }
    return secret;
  }
  function living(name: string): Kept {
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
      const value = textOf(input, 'SecretString');
      kept.set(name, { value, deleted: false, copies: copiesOf(input) });
      return { ARN: arnOf(name), Name: name, VersionId: randomUUID() };
    },
    PutSecretValue(input) {
      const name = textOf(input, 'SecretId');
      living(name).value = textOf(input, 'SecretString');
      return { ARN: arnOf(name), Name: name, VersionId: randomUUID() };
    },
    GetSecretValue(input) {
      const name = textOf(input, 'SecretId');
      return {
        ARN: arnOf(name),
        Name: name,
        SecretString: living(name).value,
        CreatedDate: CREATED,
      };
    },
    DeleteSecret(input) {
      const name = textOf(input, 'SecretId');
      if (living(name).copies.length > 0) {
        throw new AwsError('InvalidRequestException', `'${name}' has copies in other regions`);
      }
      living(name).deleted = true;
      return { ARN: arnOf(name), Name: name };
    },
    RestoreSecret(input) {
      const name = textOf(input, 'SecretId');
      find(name).deleted = false;
      return { ARN: arnOf(name), Name: name };
    },
    DescribeSecret(input) {
      const name = textOf(input, 'SecretId');
      const { deleted, copies } = find(name);
      return {
        ARN: arnOf(name),
        Name: name,
        ...(deleted ? { DeletedDate: 0 } : {}),
        ReplicationStatus: copies.map((copy) => ({ ...copy, Status: 'InSync' })),
      };
    },
    ReplicateSecretToRegions(input) {
      const { copies } = living(textOf(input, 'SecretId'));
      const known = copies.map(({ Region }) => Region);
      copies.push(...copiesOf(input).filter(({ Region }) => !known.includes(Region)));
      return { ARN: arnOf(textOf(input, 'SecretId')) };
    },
    RemoveRegionsFromReplication(input) {
      const secret = living(textOf(input, 'SecretId'));
      const gone = input['RemoveReplicaRegions'] as readonly string[];
      const left = secret.copies.filter(({ Region }) => !gone.includes(Region));
      secret.copies.splice(0, secret.copies.length, ...left);
      return { ARN: arnOf(textOf(input, 'SecretId')) };
    },
  };
}
