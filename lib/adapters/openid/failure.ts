import { AuthorizationResponseError, ClientError, ResponseBodyError } from 'openid-client';
import type { SignInFailure } from '#ports/identity-providers.ts';
import { ProviderAway } from './provider-fetch.ts';

/** What went wrong, in words of ours and of the library; null: nothing that a provider can cause. */
export function failureOf(error: unknown): SignInFailure | null {
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth += 1) {
    if (!(at instanceof ProviderAway)) continue;
    // What cannot even be sent is made of what the provider said before.
    const unsendable = at.reason === 'invalid';
    return { kind: unsendable ? 'refused' : 'away', reason: at.reason };
  }
  if (error instanceof Refused) return { kind: 'refused', reason: error.reason };
  if (error instanceof AuthorizationResponseError) {
    return { kind: 'refused', reason: 'provider_refused' };
  }
  if (error instanceof ResponseBodyError) return { kind: 'refused', reason: 'code_not_taken' };
  if (error instanceof ClientError) {
    const { code } = error;
    const known = code !== undefined && /^OAUTH_[A-Z_]{1,60}$/.test(code);
    return { kind: 'refused', reason: known ? code.toLowerCase() : 'answer_unsound' };
  }
  // What the library says of values that cannot be what they should be.
  return error instanceof TypeError ? { kind: 'refused', reason: 'answer_unsound' } : null;
}

/** Unsound by a rule of ours. */
export class Refused extends Error {
  readonly reason: string;

  constructor(reason: string) {
    super(reason);
    this.reason = reason;
  }
}

/** Runs what talks to a provider: whatever that can cause is answered, all else is thrown. */
export async function answered<T>(act: () => Promise<T>): Promise<T | SignInFailure> {
  try {
    return await act();
  } catch (error) {
    const failure = failureOf(error);
    if (failure === null) throw error;
    return failure;
  }
}
