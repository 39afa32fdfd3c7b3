import type { Mode } from './execution-store.ts';

/** API keys at rest: never the key, only its digest, found by the id that is part of its text. */
export interface ApiKeys {
  /** Without a tenant: this is how one is found. Null: no such key. Expiry and revocation are told. */
  find(keyId: string): Promise<StoredApiKey | null>;
  /** `taken`: the id exists (46 random bits), make another. */
  create(key: StoredApiKey & { readonly name: string }): Promise<'created' | 'taken'>;
  revoke(tenant: string, keyId: string, now: number): Promise<void>;
}

export interface StoredApiKey {
  readonly keyId: string;
  readonly tenant: string;
  readonly mode: Mode;
  /** SHA-256 of the whole key, 32 bytes. */
  readonly digest: Uint8Array;
  readonly scopes: readonly string[];
  readonly createdAt: number;
  readonly expiresAt: number | null;
  readonly revokedAt: number | null;
}
