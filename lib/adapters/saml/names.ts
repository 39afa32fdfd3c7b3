import { createHash } from 'node:crypto';

/** Who we are to an identity provider: the address of our metadata, one for each provider. */
export function entityIdOf(acsUrl: string): string {
  return acsUrl.replace(/\/acs$/, '/metadata');
}

/** From the state, which is good once and unguessable; it says nothing about it. */
export function requestOf(state: string): string {
  return `_${digest(`request ${state}`)}`;
}

export function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
