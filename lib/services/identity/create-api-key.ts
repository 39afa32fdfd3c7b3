import type { Scope } from '#contract/permissions.ts';
import type { ApiKeys, StoredApiKey } from '#ports/api-keys.ts';
import type { Clock } from '#ports/clock.ts';
import type { Mode } from '#ports/execution-store.ts';
import { makeApiKey } from './api-key.ts';

export interface NewApiKey {
  readonly tenant: string;
  readonly mode: Mode;
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** Null: all. */
  readonly workflows: readonly string[] | null;
  /** Null: as the platform says. */
  readonly requestsPerMinute: number | null;
  readonly expiresAt: number | null;
}

export interface ApiKeyDeps {
  readonly apiKeys: Pick<ApiKeys, 'create'>;
  readonly clock: Clock;
  readonly randomBytes: (count: number) => Uint8Array;
}

/** Makes and stores a key. The answer holds its text, which exists nowhere else and is shown once. */
export async function createApiKey(
  deps: ApiKeyDeps,
  request: NewApiKey,
): Promise<{ readonly text: string; readonly key: StoredApiKey }> {
  // Ids have 47 random bits, so a second try is rare and a fourth means a broken source.
  for (let attempt = 0; attempt < 4; attempt += 1) {
    const { text, keyId, digest } = makeApiKey(request.mode, deps.randomBytes);
    const key = {
      ...request,
      keyId,
      digest,
      createdAt: deps.clock.now(),
      lastUsedAt: null,
      revokedAt: null,
    };
    if ((await deps.apiKeys.create(key)) === 'created') return { text, key };
  }
  throw new Error('four new key ids in a row were taken: the source of random bytes is broken');
}
