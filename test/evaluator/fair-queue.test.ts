import { describe, expect, it, vi } from 'vitest';
import { createFairQueue } from '#evaluator/fair-queue.ts';

const bounds = { items: 10, itemsPerTenant: 4, bytes: 100 };
const queue = () => createFairQueue<string>(bounds, () => undefined);

describe('the fair queue', () => {
  it('takes tenants in turn, each once at a time', () => {
    const fair = queue();
    for (const item of ['a1', 'a2', 'a3']) fair.add('a', item, 1);
    fair.add('b', 'b1', 1);
    expect(fair.take()?.item).toBe('a1');
    expect(fair.take()?.item).toBe('b1');
    expect(fair.take()).toBeNull();
    fair.release('a', 0);
    expect(fair.take()?.item).toBe('a2');
    fair.release('b', 0);
    expect(fair.take()).toBeNull();
    expect(fair.size).toBe(1);
  });

  it('is bounded in number, per tenant and in bytes, and counts what leaves', () => {
    const fair = queue();
    for (let i = 0; i < 4; i++) expect(fair.add('a', 'x', 20)).toBe(true);
    expect(fair.add('a', 'x', 1)).toBe(false);
    expect(fair.add('b', 'x', 21)).toBe(false);
    expect(fair.add('b', 'x', 20)).toBe(true);
    expect(fair.add('c', 'x', 1)).toBe(false);
    fair.take();
    expect(fair.add('c', 'x', 1)).toBe(true);
    const many = queue();
    for (let i = 0; i < 10; i++) expect(many.add(`t${i}`, 'x', 1)).toBe(true);
    expect(many.add('t10', 'x', 1)).toBe(false);
  });

  it('gives back first what was put back', () => {
    const fair = queue();
    fair.add('a', 'a1', 1);
    fair.add('a', 'a2', 1);
    const taken = fair.take();
    fair.putBack('a', taken?.item ?? '');
    expect(fair.take()).toBeNull();
    fair.release('a', 0);
    expect(fair.take()?.item).toBe('a1');
  });

  it('holds a delayed tenant back, and says when it may go on', () => {
    vi.useFakeTimers();
    try {
      let runnable = 0;
      const fair = createFairQueue<string>(bounds, () => {
        runnable += 1;
      });
      fair.add('a', 'a1', 1);
      fair.take();
      fair.release('a', 250);
      fair.add('a', 'a2', 1);
      expect(fair.take()).toBeNull();
      vi.advanceTimersByTime(249);
      expect(fair.take()).toBeNull();
      vi.advanceTimersByTime(1);
      expect(runnable).toBe(1);
      expect(fair.take()?.item).toBe('a2');
    } finally {
      vi.useRealTimers();
    }
  });

  it('drains everything', () => {
    const fair = queue();
    fair.add('a', 'a1', 1);
    fair.add('b', 'b1', 1);
    expect(fair.drain().sort()).toEqual(['a1', 'b1']);
    expect(fair.take()).toBeNull();
  });
});
