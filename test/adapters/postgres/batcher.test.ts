import { describe, expect, it } from 'vitest';
import { BatcherFull, createBatcher } from '#adapters/postgres/batcher.ts';

function gate(): { opened: Promise<void>; open(): void } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

describe('group commit', () => {
  it('writes at once when idle, and together what came meanwhile', async () => {
    const batches: number[][] = [];
    const first = gate();
    const batcher = createBatcher<number, number>({
      lanes: 1,
      maxItems: 100,
      maxWaiting: 100,
      divisible: () => true,
      write: async (items) => {
        batches.push([...items]);
        if (batches.length === 1) await first.opened;
        return items.map((item) => item * 2);
      },
    });
    const one = batcher.add(1);
    await new Promise((resolve) => setImmediate(resolve));
    const rest = [2, 3, 4].map((item) => batcher.add(item));
    first.open();
    expect(await Promise.all([one, ...rest])).toEqual([2, 4, 6, 8]);
    expect(batches).toEqual([[1], [2, 3, 4]]);
    await batcher.drained();
    expect(batcher.idle).toBe(true);
  });

  it('halves a failing batch until the bad one is alone', async () => {
    const batcher = createBatcher<number, number>({
      lanes: 2,
      maxItems: 64,
      maxWaiting: 100,
      divisible: () => true,
      write: (items) =>
        items.includes(13) ? Promise.reject(new Error('bad')) : Promise.resolve([...items]),
    });
    const answers = await Promise.allSettled(Array.from({ length: 40 }, (_, i) => batcher.add(i)));
    expect(answers.flatMap((each, i) => (each.status === 'rejected' ? [i] : []))).toEqual([13]);
  });

  it('does not try halves when the connection is what failed', async () => {
    let writes = 0;
    const batcher = createBatcher<number, number>({
      lanes: 1,
      maxItems: 64,
      maxWaiting: 100,
      divisible: () => false,
      write: () => {
        writes += 1;
        return Promise.reject(new Error('gone'));
      },
    });
    const answers = await Promise.allSettled([1, 2, 3].map((item) => batcher.add(item)));
    expect(answers.every((each) => each.status === 'rejected')).toBe(true);
    expect(writes).toBe(1);
  });

  it('keeps apart what excludes each other, and respects weight and length', async () => {
    const batches: string[][] = [];
    const batcher = createBatcher<string, string>({
      lanes: 1,
      maxItems: 3,
      maxWaiting: 6,
      weigh: (item) => item.length,
      maxWeight: 5,
      exclusive: (item) => [item],
      divisible: () => true,
      write: async (items) => {
        batches.push([...items]);
        return [...items];
      },
    });
    const all = ['a', 'a', 'b', 'cccc', 'd', 'e'].map((item) => batcher.add(item));
    await expect(batcher.add('f')).rejects.toThrow(BatcherFull);
    await Promise.all(all);
    expect(batches).toEqual([
      ['a', 'b'],
      ['a', 'cccc'],
      ['d', 'e'],
    ]);
  });
});
