/**
 * Values that all processes share. Under a key stands its revision and then
 *
 *   - a sealed value;
 *   - `-`: there is nothing;
 *   - nothing: what it is must be asked for, and whoever asked before that revision came too late.
 *
 *  L1 a value replaces none of a higher revision (by a script, on the node that holds the key);
 *  L2 everything ends by itself, after the time of its kind less a part that chance takes;
 *  L3 what is not as it should be is nothing: it is asked for anew, and counted.
 */
import { LOOK_THROUGH } from '#config/caches.ts';
import type { CacheKind, CacheName, Forgotten } from '#ports/cache.ts';
import type { Redis } from './connect.ts';
import { keyOf, patternUnder } from './keys.ts';
import { defineScript } from './script.ts';
import type { ValueSeal } from './seal-values.ts';

export interface SharedValue {
  /** Null: its kind has none, for its values never change. */
  readonly revision: number | null;
  /** Null: there is nothing. */
  readonly text: string | null;
}

export type Found =
  | { readonly kind: 'found'; readonly value: SharedValue }
  | { readonly kind: 'nothing' }
  /** Somebody has written there what nobody here can use. */
  | { readonly kind: 'unusable' };

/** Rejects as the connection does. */
export interface SharedValues {
  get(kind: CacheKind, name: CacheName): Promise<Found>;
  put(kind: CacheKind, name: CacheName, value: SharedValue): Promise<void>;
  /** Nothing older than `revision` is put there from then on; null: that is not known. */
  forget(kind: CacheKind, name: CacheName, revision: number | null): Promise<void>;
  forgetUnder(kind: CacheKind, name: CacheName): Promise<Forgotten>;
}

/** ARGV: revision, text, milliseconds. Lua's numbers hold every revision below 2^53. */
const PUT = defineScript(`
local head = redis.call('GETRANGE', KEYS[1], 0, 16)
local held = tonumber(string.match(head, '^(%d+) ') or '-1')
if held > tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[2], 'PX', ARGV[3])
return 1`);

const HELD = /^(\d{1,16}) (.*)$/s;
const ABSENT = '-';

export function createSharedValues({
  redis,
  seal,
  random,
}: {
  readonly redis: Pick<Redis, 'send' | 'run' | 'nodes'>;
  readonly seal: ValueSeal;
  /** From 0 to below 1. */
  readonly random: () => number;
}): SharedValues {
  const put = (kind: CacheKind, key: string, revision: number | null, text: string, ms: number) => {
    const kept = String(Math.max(1, Math.round(ms * (1 - kind.shared.spread * random()))));
    // Without the script nothing is looked at, which a server counts as asked for and not there.
    return revision === null
      ? redis.send(key, ['SET', key, `0 ${text}`, 'PX', kept])
      : redis.run(PUT, [key], [String(revision), text, kept]);
  };

  return {
    async get(kind, name) {
      const key = keyOf(kind, name);
      const reply = await redis.send(key, ['GET', key]);
      if (reply === null) return { kind: 'nothing' };
      const [, number, body] = HELD.exec(String(reply)) ?? [];
      if (number === undefined || body === undefined) return { kind: 'unusable' };
      const revision = Number(number);
      if (body === '') return { kind: 'nothing' };
      if (body === ABSENT) return { kind: 'found', value: { revision, text: null } };
      const text = seal.open({ tenant: name.tenant, key, revision }, body);
      return text === null ? { kind: 'unusable' } : { kind: 'found', value: { revision, text } };
    },

    async put(kind, name, { revision, text }) {
      const key = keyOf(kind, name);
      if (text === null) {
        if (kind.absentMs > 0) await put(kind, key, revision, ABSENT, kind.absentMs);
        return;
      }
      const sealed = seal.seal({ tenant: name.tenant, key, revision: revision ?? 0 }, text);
      await put(kind, key, revision, sealed, kind.shared.ms);
    },

    async forget(kind, name, revision) {
      const key = keyOf(kind, name);
      if (revision === null) await redis.send(key, ['UNLINK', key]);
      else await put(kind, key, revision, '', kind.shared.ms);
    },

    async forgetUnder(kind, name) {
      const pattern = patternUnder(kind, name);
      let count = 0;
      let whole = true;
      for (const node of await redis.nodes()) {
        let cursor = '0';
        for (let commands = 0; ; commands++) {
          if (commands === LOOK_THROUGH.commands) {
            whole = false;
            break;
          }
          const { next, keys } = readScan(
            await node.send(['SCAN', cursor, 'MATCH', pattern, 'COUNT', String(LOOK_THROUGH.keys)]),
          );
          // By their keys, not on this node: some may just be moving to another.
          for (const key of keys) count += Number(await redis.send(key, ['UNLINK', key]));
          if (next === '0') break;
          cursor = next;
        }
      }
      return { count, whole };
    },
  };
}

function readScan(reply: unknown): { readonly next: string; readonly keys: readonly string[] } {
  const [next, keys] = Array.isArray(reply) ? reply : [];
  const isAnswer = typeof next === 'string' && Array.isArray(keys);
  if (!isAnswer) throw new TypeError('the cache has not answered SCAN with a place and keys');
  return { next, keys: keys.map(String) };
}
