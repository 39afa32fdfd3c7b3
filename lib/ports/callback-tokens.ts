/**
 * Tokens that let the outside answer a callback. Whoever holds one may answer, so it is random, shown
 * once in the request that hands it out, and only its hash is stored.
 */
export interface CallbackTokens {
  create(): { readonly token: string; readonly hash: string };
  hashOf(token: string): string;
}
