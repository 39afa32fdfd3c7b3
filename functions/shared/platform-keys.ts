import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { type GuardDeps, guarded } from '#adapters/aws/guarded.ts';
import { readSecretVersion, type SecretVersion } from '#adapters/secretsmanager/secrets.ts';
import { type KeyRing, type Keys, keysOf, readKeyRing } from '#services/shared/key-ring.ts';
import type { Basics } from './process.ts';

/** Far less than the day by which a key stands in its secret before it is used (K2 of the ring). */
const FRESH_MS = 3_600_000;
const AGAIN_MS = 60_000;

/** Keys of a secret that is turned while this process lives. */
export interface ManagedKeys extends Keys {
  /** Before anything is done with them: reads them anew when they are an hour old. Never rejects. */
  fresh(): Promise<void>;
}

/** Throws when the secret is not there or is no ring: nothing works without it. */
export async function openPlatformKeys(
  basics: Pick<Basics, 'clock' | 'log'> & Pick<GuardDeps, 'metrics'>,
  id: string,
  read: (id: string) => Promise<SecretVersion | null> = managed(basics),
): Promise<ManagedKeys> {
  const { clock, log } = basics;
  const load = async (): Promise<KeyRing> => {
    const version = await read(id);
    if (version === null) throw new Error(`there is no secret ${id}`);
    return readKeyRing(version.text, version.createdAt);
  };
  let ring = await load();
  let readAgainAt = clock.now() + FRESH_MS;
  return {
    ...keysOf(() => ring, clock),
    async fresh() {
      if (clock.now() < readAgainAt) return;
      // One call reads; others that come meanwhile go on with what is known.
      readAgainAt = clock.now() + AGAIN_MS;
      try {
        ring = await load();
        readAgainAt = clock.now() + FRESH_MS;
      } catch (error) {
        log.warn('PLATFORM_KEYS_KEPT', { error });
      }
    },
  };
}

function managed(basics: GuardDeps): (id: string) => Promise<SecretVersion | null> {
  const client = guarded('secrets', new SecretsManagerClient({}), basics);
  return (id) => readSecretVersion(client, id);
}
