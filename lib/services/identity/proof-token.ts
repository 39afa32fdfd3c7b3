import { createHash } from 'node:crypto';

/** What a token is for, readable at its front: people, logs and scanners tell them apart. */
export type TokenKind = 'cfr' | 'cfi' | 'cfp' | 'cfm' | 'cfd' | 'cfs' | 'cfb' | 'cfo' | 'cfe';

const RANDOM_BYTES = 32;

/** 256 random bits in base64url behind the kind. Only the digest is ever stored. */
export function makeProofToken(
  kind: TokenKind,
  randomBytes: (count: number) => Uint8Array,
): { readonly text: string; readonly digest: Uint8Array } {
  return withDigest(`${kind}_${Buffer.from(randomBytes(RANDOM_BYTES)).toString('base64url')}`);
}

export function withDigest(text: string): { readonly text: string; readonly digest: Uint8Array } {
  return { text, digest: digestOf(text) };
}

export function digestOf(text: string): Uint8Array {
  return createHash('sha256').update(text).digest();
}
