import { LRUCache } from 'lru-cache';
import { CACHES } from '#config/caches.ts';
import type { Cache } from '#ports/cache.ts';
import type { UserNewest } from '#ports/sessions.ts';
import type { UserRecord, UserStore } from '#ports/users.ts';

/**
 * What users are told of themselves, out of a cache that is written with every change.
 *
 *  J1 every call has looked up how new the user's row is, to say who calls; what is kept and older is not
 *     told, and read where it is written. So nobody is told what was changed more than those two seconds
 *     ago for which a session may be held, whatever became of the cache;
 *  J2 nothing is decided by it: what somebody may do is in the session, a change is held against the row in
 *     PostgreSQL, and whoever manages users reads that.
 */
export interface Profiles {
  /** Null: no such user. */
  read(tenant: string, id: string, newest: UserNewest): Promise<UserRecord | null>;
  /** For whoever has just committed it. Never rejects. */
  wrote(user: UserRecord): Promise<void>;
}

const MOST_WRITTEN = 1_000;

export function createProfiles(users: Pick<UserStore, 'find'>, cache: Cache): Profiles {
  const kept = cache.of<UserRecord>(CACHES['user-profile'], ({ revision }) => revision);
  const nameOf = (tenant: string, id: string) => ({ tenant, parts: [id] });
  /** What this process has written itself, which a session that it holds may not know yet: nothing older is true. */
  const written = new LRUCache<string, UserRecord>({ max: MOST_WRITTEN });
  return {
    async read(tenant, id, newest) {
      const name = nameOf(tenant, id);
      const load = () => users.find(tenant, id);
      const found = await kept.read(name, load);
      const own = written.get(`${tenant} ${id}`);
      if (found !== null && isAsNew(found, newest) && (own === undefined || isAsNew(found, own))) {
        return { ...found, lastSignedInAt: later(found.lastSignedInAt, newest.lastSignedInAt) };
      }
      const user = await load();
      if (user !== null) await kept.write(name, user);
      return user;
    },
    wrote(user) {
      written.set(`${user.tenant} ${user.id}`, user);
      return kept.write(nameOf(user.tenant, user.id), user);
    },
  };
}

/** A new password is no new revision, but shows in when the row was changed. */
function isAsNew(
  user: UserRecord,
  { revision, updatedAt }: Pick<UserNewest, 'revision' | 'updatedAt'>,
): boolean {
  return user.revision > revision || (user.revision === revision && user.updatedAt >= updatedAt);
}

function later(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.max(a, b);
}
