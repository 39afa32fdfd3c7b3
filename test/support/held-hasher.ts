import type { PasswordHasher } from '#ports/password-hasher.ts';
import { createQuickHasher } from './quick-hasher.ts';

export interface HeldHasher extends PasswordHasher {
  /** The next work with this password begins and then waits. */
  hold(work: 'hash' | 'verify', password: string): Hold;
}

export interface Hold {
  /** It has begun. */
  readonly arrived: Promise<void>;
  release(): void;
}

/** Hashes for real, takes every stored hash for one of outdated parameters, and waits where a test says so. */
export function createHeldHasher(): HeldHasher {
  const quick = createQuickHasher();
  const holds = new Map<string, () => Promise<void>>();
  const held = async (work: 'hash' | 'verify', password: string): Promise<void> => {
    const name = `${work} ${password}`;
    const wait = holds.get(name);
    holds.delete(name);
    await wait?.();
  };
  return {
    async hash(password) {
      await held('hash', password);
      return quick.hash(password);
    },
    async verify(hash, password) {
      await held('verify', password);
      return quick.verify(hash, password);
    },
    needsRehash: () => true,
    hold(work, password) {
      const arrived = Promise.withResolvers<void>();
      const released = Promise.withResolvers<void>();
      holds.set(`${work} ${password}`, () => {
        arrived.resolve();
        return released.promise;
      });
      return { arrived: arrived.promise, release: () => released.resolve() };
    },
  };
}
