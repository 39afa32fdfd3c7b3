import { createHash } from 'node:crypto';

/** A script in Lua, and what a server that has seen it knows it by. */
export interface Script {
  readonly text: string;
  readonly hash: string;
}

export function defineScript(text: string): Script {
  return { text, hash: createHash('sha1').update(text).digest('hex') };
}
