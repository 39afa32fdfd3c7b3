import { createHash, randomBytes } from 'node:crypto';
import type { CallbackTokens } from '#ports/callback-tokens.ts';

/** 256 random bits; SHA-256 is enough for a text that nobody can guess. */
export function createCallbackTokens(): CallbackTokens {
  const hashOf = (token: string): string => createHash('sha256').update(token).digest('hex');
  return {
    create() {
      const token = `cfcb_${randomBytes(32).toString('base64url')}`;
      return { token, hash: hashOf(token) };
    },
    hashOf,
  };
}
