/** State names: unique in the machine, at most 80 characters (AWS refuses longer ones). */
export const STATE_NAME_LIMIT = 80;

/**
 * Hands out state names. Paths of steps are taken beforehand, so that a state that does a step's work
 * always bears its path and helpers give way.
 */
export class StateNames {
  readonly #taken = new Set<string>();
  readonly #paths = new Map<string, string>();

  constructor(paths: Iterable<string>) {
    for (const path of paths) this.#paths.set(path, this.#take(path));
  }

  /** The name of the state that does the work of a step. */
  step(path: string): string {
    const name = this.#paths.get(path);
    if (name === undefined) throw new TypeError(`no step has the path '${path}'`);
    return name;
  }

  /** A name for a state beside it, such as `create-account.gate`. */
  helper(path: string, suffix: string): string {
    return this.#take(path === '' ? suffix : `${path}.${suffix}`);
  }

  #take(wanted: string): string {
    let name = shorten(wanted);
    for (let n = 2; this.#taken.has(name); n++) name = shorten(`${wanted}~${n}`);
    this.#taken.add(name);
    return name;
  }
}

/** Keeps the end of a long name, which tells more than its beginning, behind a hash of the whole. */
export function shorten(name: string): string {
  if (name.length <= STATE_NAME_LIMIT) return name;
  const hash = fnv1a(name);
  return `${hash}~${name.slice(name.length - (STATE_NAME_LIMIT - hash.length - 1))}`;
}

/** FNV-1a, 32 bits, twice with different seeds: 16 hex digits. Not for secrets. */
function fnv1a(text: string): string {
  return [0x811c9dc5, 0x050c5d1f]
    .map((seed) => {
      let hash = seed;
      for (let i = 0; i < text.length; i++) {
        hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
      }
      return hash.toString(16).padStart(8, '0');
    })
    .join('');
}
