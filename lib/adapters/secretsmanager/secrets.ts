/**
 * Tenants' secrets in AWS Secrets Manager, one each, under a prefix of the stage.
 *
 *  S1 the name says tenant and mode, and all three parts are checked, so no name reaches another's.
 *  S2 what was deleted is not there for anybody of ours; operators can bring it back for a week.
 *  S3 where another region waits, a value is there too as soon as it is here, and gone there first.
 *  S4 every call may be repeated, and two writers at once both succeed: the later value stays.
 */
import {
  CreateSecretCommand,
  DeleteSecretCommand,
  DescribeSecretCommand,
  GetSecretValueCommand,
  InvalidRequestException,
  PutSecretValueCommand,
  RemoveRegionsFromReplicationCommand,
  ReplicateSecretToRegionsCommand,
  ResourceExistsException,
  ResourceNotFoundException,
  RestoreSecretCommand,
  type SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { Secret } from '#core/secret.ts';
import type { SecretKey, Secrets } from '#ports/secrets.ts';

const RECOVERY_DAYS = 7;
const TRIES = 4;

export function createManagedSecrets(deps: {
  readonly client: SecretsManagerClient;
  /** Without a slash at the end. */
  readonly prefix: string;
  /** Null: the account's own key for secrets. */
  readonly kmsKeyId: string | null;
  /** Where copies are kept, and the key that seals them there; null: nowhere. */
  readonly copy: { readonly region: string; readonly kmsKeyId: string } | null;
}): Secrets {
  const { client, copy } = deps;
  const nameOf = ({ tenant, mode, name }: SecretKey): string => {
    if (!/^[0-9a-f-]{36}$/.test(tenant) || !/^[a-z][a-z0-9_-]{0,62}$/.test(name)) {
      throw new TypeError(`secret ${JSON.stringify(name)} cannot be named`);
    }
    // The last part keeps names from looking like the end of an ARN (a hyphen and six characters).
    return `${deps.prefix}/${tenant}/${mode}/${name}/value`;
  };

  async function write(key: SecretKey, value: string): Promise<void> {
    const name = nameOf(key);
    try {
      await client.send(new PutSecretValueCommand({ SecretId: name, SecretString: value }));
    } catch (error) {
      if (error instanceof ResourceNotFoundException) {
        await client.send(
          new CreateSecretCommand({
            Name: name,
            SecretString: value,
            ...(deps.kmsKeyId === null ? {} : { KmsKeyId: deps.kmsKeyId }),
            ...(copy === null ? {} : replicaIn(copy)),
            Tags: [
              { Key: 'cloudflow:tenant', Value: key.tenant },
              { Key: 'cloudflow:mode', Value: key.mode },
            ],
          }),
        );
      } else if (error instanceof InvalidRequestException) {
        // It is on its way out.
        await client.send(new RestoreSecretCommand({ SecretId: name }));
        if (copy !== null) {
          await client.send(
            new ReplicateSecretToRegionsCommand({ SecretId: name, ...replicaIn(copy) }),
          );
        }
        await client.send(new PutSecretValueCommand({ SecretId: name, SecretString: value }));
      } else throw error;
    }
  }

  /** Null: there is none, or it is on its way out. */
  async function describe(
    SecretId: string,
  ): Promise<{ readonly copies: readonly string[] } | null> {
    try {
      const { DeletedDate, ReplicationStatus = [] } = await client.send(
        new DescribeSecretCommand({ SecretId }),
      );
      if (DeletedDate !== undefined) return null;
      return { copies: ReplicationStatus.flatMap(({ Region }) => Region ?? []) };
    } catch (error) {
      if (error instanceof ResourceNotFoundException) return null;
      throw error;
    }
  }

  return {
    async get(key) {
      const text = await readSecret(client, nameOf(key));
      return text === null ? null : new Secret(text);
    },
    async put(key, value) {
      for (let attempt = 1; ; attempt++) {
        try {
          await write(key, value.reveal());
          return;
        } catch (error) {
          // Somebody else created, restored or deleted it between two of our calls.
          const moved =
            error instanceof ResourceExistsException ||
            error instanceof ResourceNotFoundException ||
            error instanceof InvalidRequestException;
          if (!moved || attempt === TRIES) throw error;
        }
      }
    },
    async delete(key) {
      const SecretId = nameOf(key);
      const there = await describe(SecretId);
      if (there === null) return;
      try {
        // What has copies cannot be deleted.
        if (there.copies.length > 0) {
          await client.send(
            new RemoveRegionsFromReplicationCommand({
              SecretId,
              RemoveReplicaRegions: [...there.copies],
            }),
          );
        }
        await client.send(
          new DeleteSecretCommand({ SecretId, RecoveryWindowInDays: RECOVERY_DAYS }),
        );
      } catch (error) {
        // Somebody else deleted it between two of our calls; anything else that is refused is not done.
        if (!isAway(error) || (await describe(SecretId)) !== null) throw error;
      }
    },
  };
}

/** What an earlier deletion left there is overwritten. */
function replicaIn({ region, kmsKeyId }: { readonly region: string; readonly kmsKeyId: string }) {
  return {
    AddReplicaRegions: [{ Region: region, KmsKeyId: kmsKeyId }],
    ForceOverwriteReplicaSecret: true,
  };
}

/** A secret by its name or ARN; null when there is none. */
/** What a secret holds now, and since when (milliseconds since the epoch). */
export interface SecretVersion {
  readonly text: string;
  readonly createdAt: number;
}

/** Null: there is none, or it is on its way out. */
export async function readSecretVersion(
  client: SecretsManagerClient,
  id: string,
): Promise<SecretVersion | null> {
  try {
    const { SecretString, CreatedDate } = await client.send(
      new GetSecretValueCommand({ SecretId: id }),
    );
    if (SecretString === undefined) return null;
    return { text: SecretString, createdAt: CreatedDate?.getTime() ?? 0 };
  } catch (error) {
    if (isAway(error)) return null;
    throw error;
  }
}

/** A new version of a secret that is there. */
export async function replaceSecret(
  client: SecretsManagerClient,
  id: string,
  text: string,
): Promise<void> {
  await client.send(new PutSecretValueCommand({ SecretId: id, SecretString: text }));
}

export async function readSecret(client: SecretsManagerClient, id: string): Promise<string | null> {
  return (await readSecretVersion(client, id))?.text ?? null;
}

function isAway(error: unknown): boolean {
  return error instanceof ResourceNotFoundException || error instanceof InvalidRequestException;
}
