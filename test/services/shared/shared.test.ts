import { describe, expect, it } from 'vitest';
import { hasErrorCode } from '#core/errors.ts';
import { PLAIN_ADMISSION, type Principal } from '#services/identity/principal.ts';
import { coalesce } from '#services/shared/coalesce.ts';
import { createCursors } from '#services/shared/cursor.ts';
import { etagOf, requireMatch } from '#services/shared/etag.ts';
import { oneKey } from '#services/shared/key-ring.ts';

const principal: Principal = {
  tenant: 't1',
  mode: 'live',
  subject: 'key:x',
  permissions: [],
  workflows: null,
  endsAt: null,
  user: null,
  admission: PLAIN_ADMISSION,
};

describe('cursors', () => {
  const cursors = createCursors(oneKey(new Uint8Array(32).fill(7)));
  const scope = { principal, operation: 'listThings', of: 'shelf' };
  const page = { items: [1, 2], next: 'after-2' };

  it('lead back to the position they were made for', () => {
    const query = { limit: 2, text: 'a' };
    const { items, next_cursor } = cursors.page(scope, query, page, (item) => item * 10);
    expect(items).toEqual([10, 20]);
    expect(cursors.request(scope, { ...query, cursor: next_cursor ?? '' })).toEqual({
      limit: 2,
      after: 'after-2',
    });
    expect(cursors.request(scope, { limit: 9, text: 'a', cursor: next_cursor ?? '' }).limit).toBe(
      9,
    );
  });

  it('are of one caller, one list and one filter', () => {
    const { next_cursor } = cursors.page(scope, { text: 'a' }, page, String);
    const cursor = next_cursor ?? '';
    const others = [
      () =>
        cursors.request(
          { ...scope, principal: { ...principal, tenant: 't2' } },
          { text: 'a', cursor },
        ),
      () =>
        cursors.request(
          { ...scope, principal: { ...principal, mode: 'test' } },
          { text: 'a', cursor },
        ),
      () => cursors.request({ ...scope, operation: 'listOthers' }, { text: 'a', cursor }),
      () => cursors.request({ ...scope, of: 'box' }, { text: 'a', cursor }),
      () => cursors.request(scope, { text: 'b', cursor }),
      () => cursors.request(scope, { text: 'a', cursor: cursor.slice(0, 10) }),
      () => cursors.request(scope, { text: 'a', cursor: `${cursor}AAAA` }),
      () => createCursors(oneKey(new Uint8Array(32))).request(scope, { text: 'a', cursor }),
    ];
    for (const other of others) {
      try {
        other();
        expect.unreachable();
      } catch (error) {
        expect(hasErrorCode(error, 'CURSOR_INVALID')).toBe(true);
      }
    }
  });

  it('need a key worth the name', () => {
    expect(() => createCursors(oneKey(new Uint8Array(16)))).toThrow(TypeError);
  });
});

describe('coalesce', () => {
  it('joins a burst into two reads, and none sees what was there before it asked', async () => {
    let stored = 0;
    let reads = 0;
    const answers: (() => void)[] = [];
    const read = coalesce(
      () =>
        new Promise<number>((resolve) => {
          reads += 1;
          const seen = stored;
          answers.push(() => resolve(seen));
        }),
      (key: string) => key,
    );
    const first = read('a');
    stored = 1;
    const later = Array.from({ length: 50 }, () => read('a'));
    answers.shift()?.();
    expect(await first).toBe(0);
    await Promise.resolve();
    answers.shift()?.();
    expect(await Promise.all(later)).toEqual(Array(50).fill(1));
    expect(reads).toBe(2);
  });

  it('keeps nothing, and an error is its callers’ own', async () => {
    let fails = true;
    const read = coalesce(
      async (key: string) => {
        if (fails) throw new Error('away');
        return key;
      },
      (key) => key,
    );
    await expect(read('a')).rejects.toThrow('away');
    fails = false;
    expect(await read('a')).toBe('a');
    expect(await Promise.all([read('a'), read('b')])).toEqual(['a', 'b']);
  });
});

describe('ETags', () => {
  const tag = etagOf({ revision: 3, updatedAt: 1_000 });
  const refuses = (ifMatch: string) => {
    try {
      requireMatch(ifMatch, tag);
      return false;
    } catch (error) {
      return hasErrorCode(error, 'PRECONDITION_FAILED');
    }
  };

  it('match as RFC 9110 says: any of a list, a star, never a weak one', () => {
    for (const good of [`"${tag}"`, `"x", "${tag}"`, '*', ' * ']) expect(refuses(good)).toBe(false);
    for (const bad of ['"x"', tag, `W/"${tag}"`, '']) expect(refuses(bad)).toBe(true);
  });
});
