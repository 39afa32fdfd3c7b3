import { createRequire } from 'node:module';
import type { PasswordHasher } from '#ports/password-hasher.ts';

/** 64 MiB and four passes. `parallelism` is one: a function has about one core. */
const COST = { memoryCost: 65_536, timeCost: 4, parallelism: 1 } as const;
/** What a hash made elsewhere may ask for: a verification takes what its hash says, not what ours cost. */
const MOST = { memoryCost: 262_144, timeCost: 16, parallelism: 16 } as const;

type Cost = { readonly [Part in keyof typeof COST]: number };

/**
 * Argon2id. The library is native and lies in a layer of Lambda's, where only CommonJS is looked for
 * (`NODE_PATH`); under a Node older than ours its binary ends the process, so it is loaded here and not
 * by whoever imports this file, nor before the first password comes.
 */
export function createArgon2Hasher(): PasswordHasher {
  let loaded: typeof import('argon2') | null = null;
  const library = () => {
    loaded ??= createRequire(import.meta.url)('argon2') as typeof import('argon2');
    return loaded;
  };
  return {
    async hash(password) {
      const argon2 = library();
      return argon2.hash(password, { type: argon2.argon2id, ...COST });
    },
    async verify(hash, password) {
      costOf(hash);
      return library().verify(hash, password);
    },
    needsRehash(hash) {
      const cost = costOf(hash);
      return (Object.keys(COST) as (keyof Cost)[]).some((part) => cost[part] !== COST[part]);
    },
  };
}

/** Throws, without its text, on what is no hash of Argon2id or asks for more than a process can give. */
function costOf(hash: string): Cost {
  const parts =
    /^\$argon2id\$v=19\$([a-z]=\d{1,7},[a-z]=\d{1,7},[a-z]=\d{1,7})\$[A-Za-z0-9+/]{11,86}\$[A-Za-z0-9+/]{43,86}$/.exec(
      hash,
    )?.[1];
  if (parts === undefined) throw new TypeError('the text is no hash of Argon2id (PHC form, v=19)');
  // Their order differs between the libraries that write them.
  const given = new Map(parts.split(',').map((part) => [part[0], Number(part.slice(2))]));
  const cost = {
    memoryCost: given.get('m') ?? 0,
    timeCost: given.get('t') ?? 0,
    parallelism: given.get('p') ?? 0,
  };
  for (const part of Object.keys(MOST) as (keyof Cost)[]) {
    if (cost[part] < 1 || cost[part] > MOST[part]) {
      throw new TypeError(`a hash with ${part} ${cost[part]}; use 1 to ${MOST[part]}`);
    }
  }
  return cost;
}
