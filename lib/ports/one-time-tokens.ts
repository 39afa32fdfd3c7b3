import type { JsonObject } from '#core/json.ts';

/** Tokens that prove something once: mailed, or handed out between two halves of a sign-in. */
export interface OneTimeTokens {
  /** Replaces those of the same user and purpose where `only` says so. */
  create(token: NewOneTimeToken): Promise<void>;
  /** Null: no such token, another purpose, or expired. It stays good. */
  find(digest: Uint8Array, purpose: TokenPurpose, now: number): Promise<OneTimeToken | null>;
  /** As `find`, and it is gone: of many calls at once one gets it. */
  take(digest: Uint8Array, purpose: TokenPurpose, now: number): Promise<OneTimeToken | null>;
}

export type TokenPurpose = 'invitation' | 'reset_password' | 'second_factor' | 'confirm_address';

export interface OneTimeToken {
  readonly tenant: string;
  readonly user: string;
  readonly details: JsonObject;
}

export interface NewOneTimeToken extends OneTimeToken {
  /** SHA-256 of the token's text. */
  readonly digest: Uint8Array;
  readonly purpose: TokenPurpose;
  readonly now: number;
  readonly expiresAt: number;
  /** The user has no other of this purpose afterwards. */
  readonly only: boolean;
}
