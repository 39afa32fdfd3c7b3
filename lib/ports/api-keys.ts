import type { Mode, Page, PageRequest } from './execution-store.ts';
import type { TenantSettings } from './users.ts';

/** API keys at rest: never the key, only its digest, found by the id that is part of its text. */
export interface ApiKeys {
  /** Without a tenant: this is how one is found. Null: no such key. Expiry and revocation are told. */
  find(keyId: string): Promise<CallingKey | null>;
  /** `taken`: the id exists (46 random bits), make another. */
  create(key: Omit<StoredApiKey, 'lastUsedAt'>): Promise<'created' | 'taken'>;
  get(tenant: string, keyId: string): Promise<StoredApiKey | null>;
  /** Newest first; of both modes where none is named; `workflows`: those for some of these only. */
  list(
    tenant: string,
    filter: { readonly mode: Mode | null; readonly workflows: readonly string[] | null },
    page: PageRequest,
  ): Promise<Page<StoredApiKey>>;
  /** False: no such key. Revoking twice is harmless. */
  revoke(tenant: string, keyId: string, now: number): Promise<boolean>;
  /** Moves the end of a key nearer, never further away. */
  endBy(tenant: string, keyId: string, at: number): Promise<void>;
  used(tenant: string, keyId: string, now: number): Promise<void>;
}

export interface StoredApiKey {
  readonly keyId: string;
  readonly tenant: string;
  readonly mode: Mode;
  readonly name: string;
  /** SHA-256 of the whole key, 32 bytes. */
  readonly digest: Uint8Array;
  readonly scopes: readonly string[];
  /** The workflows it is for; null: all. */
  readonly workflows: readonly string[] | null;
  /** Null: as the platform says. */
  readonly requestsPerMinute: number | null;
  readonly createdAt: number;
  readonly expiresAt: number | null;
  /** To the minute. */
  readonly lastUsedAt: number | null;
  readonly revokedAt: number | null;
}

/** A key as whoever calls with it is known. */
export interface CallingKey extends StoredApiKey {
  /** Of its tenant. */
  readonly settings: TenantSettings;
}
