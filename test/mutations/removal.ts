import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

interface Noticed {
  readonly name: string;
  /** One of these must fail; the first that does is enough. */
  readonly tests: readonly string[];
  /** What the titles of tests hold that are asked before the whole of each file: usually one of them notices. */
  readonly first?: string;
}

/** A check that is taken out of a source. */
export interface SourceRemoval extends Noticed {
  readonly file: string;
  readonly spoil: (text: string) => string;
}

/** One that is taken out of the database, as if the last migration had done it. */
export interface SchemaRemoval extends Noticed {
  readonly statement: string;
}

export type Removal = SourceRemoval | SchemaRemoval;

/** Throws where there is no such text. */
export function replacing(find: string, replace: string): (text: string) => string {
  return (text) => {
    if (!text.includes(find)) throw new Error(`nothing to take away: ${find}`);
    return text.replace(find, replace);
  };
}
