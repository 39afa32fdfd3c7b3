import type { Scope } from '#contract/permissions.ts';
import type { ApiKeys } from '#ports/api-keys.ts';
import type { Clock } from '#ports/clock.ts';
import type { Mode } from '#ports/execution-store.ts';
import { makeApiKey } from './api-key.ts';

export interface NewApiKey {
  readonly tenant: string;
  readonly mode: Mode;
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly expiresAt: number | null;
}

/** Makes and stores a key. The answer holds its text, which exists nowhere else and is shown once. */
export async function createApiKey(
  deps: {
    readonly apiKeys: ApiKeys;
    readonly clock: Clock;
    readonly randomBytes: (count: number) => Uint8Array;
  },
  request: NewApiKey,
): Promise<{ readonly text: string; readonly keyId: string }> {
  // Ids have 47 random bits, so a second try is rare and a fourth means a broken source.
  for (let attempt = 0; attempt < 4; attempt += 1) {
    const { text, keyId, digest } = makeApiKey(request.mode, deps.randomBytes);
    const stored = await deps.apiKeys.create({
      keyId,
      digest,
      tenant: request.tenant,
      mode: request.mode,
      name: request.name,
      scopes: request.scopes,
      createdAt: deps.clock.now(),
      expiresAt: request.expiresAt,
      revokedAt: null,
    });
    if (stored === 'created') return { text, keyId };
  }
  throw new Error('four new key ids in a row were taken: the source of random bytes is broken');
}
