/**
 * The keys that sign tokens (RS256). A key is published before it signs and stays published until the
 * last token that it signed has expired, so that a verifier with a cached list never meets a key that it
 * could not have known. Private keys do not leave the adapter.
 */
export interface SigningKeys {
  /** The key that signs at this business time. */
  current(): Promise<SigningKey>;
  /** Every key whose signature may be met or is about to be, newest first. */
  published(): Promise<readonly PublishedKey[]>;
}

export interface SigningKey {
  readonly kid: string;
  /** RSASSA-PKCS1-v1_5 with SHA-256 over the bytes. */
  sign(bytes: Uint8Array): Promise<Uint8Array>;
}

/** An RSA public key as RFC 7517 writes it; `n` and `e` in base64url. */
export interface PublishedKey {
  readonly kid: string;
  readonly n: string;
  readonly e: string;
}
