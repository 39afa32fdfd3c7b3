import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface Removal {
  readonly name: string;
  readonly file: string;
  readonly spoil: (text: string) => string;
  /** One of these must fail; the first that does is enough. */
  readonly tests: readonly string[];
}

/** Throws where there is no such text. */
export function replacing(find: string, replace: string): (text: string) => string {
  return (text) => {
    if (!text.includes(find)) throw new Error(`nothing to take away: ${find}`);
    return text.replace(find, replace);
  };
}
