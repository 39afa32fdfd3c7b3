import { sha256Hex } from '#core/hash.ts';
import type { DeadLetter } from '#ports/dead-letters.ts';

const NAME = /^[A-Za-z][A-Za-z0-9_]{0,63}$/;
const CODE = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;

/** What of an error holds nothing that a message said. */
export function plainErrorOf(error: unknown): DeadLetter['error'] {
  if (!(error instanceof Error)) return { name: 'Error', code: null };
  const code = 'code' in error ? error.code : null;
  return {
    name: NAME.test(error.name) ? error.name : 'Error',
    code: typeof code === 'string' && CODE.test(code) ? code : null,
  };
}

/**
 * The same for errors with one cause: who failed, at what kind of event, by which error. Places in our code
 * are left out: a bundle's names are others with every release.
 */
export function fingerprintOf(group: string, eventType: string | null, error: unknown): string {
  const { name, code } = plainErrorOf(error);
  return sha256Hex([group, eventType ?? '', name, code ?? ''].join('\n')).slice(0, 16);
}
