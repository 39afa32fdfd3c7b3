import type { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { readSecretVersion, replaceSecret } from '#adapters/secretsmanager/secrets.ts';
import { METRICS } from '#config/metrics.ts';
import {
  PLATFORM_KEYS,
  type PlatformKey,
  type PlatformKeyName,
  platformKeyNames,
} from '#config/platform-keys.ts';
import type { Clock } from '#ports/clock.ts';
import type { Log } from '#ports/log.ts';
import type { Metrics } from '#ports/metrics.ts';
import {
  type KeyRing,
  readKeyRing,
  turnKeyRing,
  usedAt,
  writeKeyRing,
} from '#services/shared/key-ring.ts';

const DAY_MS = 86_400_000;
const KEY_BYTES = 48;

interface TurnDeps {
  readonly client: SecretsManagerClient;
  readonly secrets: { readonly [N in PlatformKeyName]: string };
  readonly randomBytes: (count: number) => Uint8Array;
  readonly clock: Pick<Clock, 'now'>;
  readonly log: Log;
  readonly metrics: Metrics;
}

export interface TurnedKey {
  /** When the key that was made will be used; null: none was due. */
  readonly made_for: string | null;
  readonly dropped: number;
  /** How long the key that is used has been, in days. */
  readonly age_days: number;
}

/**
 * Turns every key of the registry that is due. Only one of these runs at a time, so nobody writes between
 * its reading and its writing. One secret that fails does not keep the others from being turned.
 */
export function createTurnKeys(
  deps: TurnDeps,
): (event: unknown) => Promise<{ readonly [N in PlatformKeyName]: TurnedKey }> {
  const { clock, log, metrics } = deps;
  const ages = new Map<PlatformKeyName, number>();
  for (const name of platformKeyNames) {
    metrics.watch(METRICS.PlatformKeyAge, { Secret: name }, () => ages.get(name) ?? 0);
  }

  async function turn(name: PlatformKeyName, atOnce: boolean): Promise<TurnedKey> {
    const id = deps.secrets[name];
    const version = await readSecretVersion(deps.client, id);
    if (version === null) throw new Error(`there is no secret ${id}`);
    const policy: PlatformKey = PLATFORM_KEYS[name];
    const now = clock.now();
    const before = readKeyRing(version.text, version.createdAt);
    const { ring, madeFor, dropped } = turnKeyRing(before, now, () => deps.randomBytes(KEY_BYTES), {
      usedMs: atOnce ? 0 : policy.usedDays * DAY_MS,
      aheadMs: policy.aheadDays * DAY_MS,
      keptMs: policy.keptDays === null ? null : policy.keptDays * DAY_MS,
    });
    const text = writeKeyRing(ring);
    if (text !== version.text) await replaceSecret(deps.client, id, text);
    if (madeFor !== null) log.info('PLATFORM_KEY_MADE', { kind: name });
    if (dropped > 0) log.info('PLATFORM_KEYS_DROPPED', { kind: name, count: dropped });
    const age = ageOf(ring, now);
    ages.set(name, age);
    return {
      made_for: madeFor === null ? null : new Date(madeFor).toISOString(),
      dropped,
      age_days: Math.floor(age),
    };
  }

  return async (event) => {
    const names = platformKeyNames;
    const asked = askedFor(event);
    const results = await Promise.allSettled(names.map((name) => turn(name, name === asked)));
    const failed = results.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    return Object.fromEntries(
      results.map((result, index) => [
        names[index],
        (result as PromiseFulfilledResult<TurnedKey>).value,
      ]),
    ) as { readonly [N in PlatformKeyName]: TurnedKey };
  };
}

/** `{"turn": name}` of whoever operates the platform: that key is due now. Of a clock: none is. */
function askedFor(event: unknown): PlatformKeyName | null {
  const { turn } = (event ?? {}) as { readonly turn?: unknown };
  if (turn === undefined) return null;
  const name = platformKeyNames.find((each) => each === turn);
  if (name === undefined) {
    throw new TypeError(
      `turn is ${JSON.stringify(turn)}; use one of ${platformKeyNames.join(', ')}`,
    );
  }
  return name;
}

function ageOf(ring: KeyRing, now: number): number {
  return Math.max(0, now - usedAt(ring, now).from) / DAY_MS;
}
