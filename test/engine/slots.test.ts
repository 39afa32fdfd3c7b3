import { describe, expect, it } from 'vitest';
import { createSlots } from '#engine/slots.ts';

const never = new AbortController().signal;

describe('slots', () => {
  it('bound a kind and a tenant, and give tenants turns', async () => {
    const slots = createSlots(() => ({ perKind: 3, perTenant: 2 }));
    const order: string[] = [];
    const finish: (() => void)[] = [];
    const run = (tenant: string, name: string) =>
      slots.run('http', tenant, never, () => {
        order.push(name);
        return new Promise<string>((resolve) => finish.push(() => resolve(name)));
      });
    const all = ['a1', 'a2', 'a3', 'a4', 'b1', 'b2'].map((name) => run(name[0]!, name));
    expect(order).toEqual(['a1', 'a2', 'b1']);
    expect([slots.running, slots.waiting]).toEqual([3, 3]);
    while (finish.length > 0) {
      finish.shift()!();
      await new Promise((resolve) => setImmediate(resolve));
      expect(slots.running).toBeLessThanOrEqual(3);
    }
    expect(await Promise.all(all)).toEqual(['a1', 'a2', 'a3', 'a4', 'b1', 'b2']);
    expect(order).toHaveLength(6);
    expect(order.indexOf('b2')).toBeLessThan(order.indexOf('a4'));
    expect([slots.running, slots.waiting]).toEqual([0, 0]);
  });

  it('let go of one that waits and is no longer wanted, and of one that fails', async () => {
    const slots = createSlots(() => ({ perKind: 1, perTenant: 1 }));
    let finish = (): void => undefined;
    const first = slots.run(
      'k',
      't',
      never,
      () =>
        new Promise<void>((resolve) => {
          finish = resolve;
        }),
    );
    const leaving = new AbortController();
    const second = slots.run('k', 't', leaving.signal, () => Promise.resolve('ran'));
    const third = slots.run('k', 't', never, () => Promise.reject(new Error('failed')));
    const fourth = slots.run('k', 't', never, () => Promise.resolve('ran'));
    leaving.abort();
    expect(await second).toBeNull();
    finish();
    await first;
    await expect(third).rejects.toThrow('failed');
    expect(await fourth).toBe('ran');
    expect([slots.running, slots.waiting]).toEqual([0, 0]);
  });
});
