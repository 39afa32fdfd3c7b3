import { describe, expect, it } from 'vitest';
import { carry, compatible, repeatPreview } from '#core/execution/carry.ts';
import { http, run, workflow } from './driver.ts';

const undo = { compensate: { type: 'http_request', config: { url: 'https://example.com/undo' } } };
const each = {
  id: 'each',
  type: 'for_each',
  config: {
    items: [1, 2, 3],
    max_items: 3,
    steps: [
      http('one', undo),
      { ...http('two', { depends_on: ['one'] }), when: '{% $index != 1 %}' },
    ],
  },
};

describe('retry carries what succeeded and was not undone', () => {
  const program = workflow([
    http('a'),
    each,
    http('last', { depends_on: ['a', 'each'], ...undo }),
    http('end', { depends_on: ['last'] }),
  ]);
  // Cancelled without compensation: all effects are still there.
  const interrupted = () =>
    run(program, {
      calls: ({ step }) => (step === 'each.two[2]' ? { error: 'Rejected' } : { output: step }),
    });

  it('iterations are taken over one by one, and only the rest is called', async () => {
    const before = await run(program, {
      calls: ({ step }) => (step === 'each.two[2]' ? 'never' : { output: step }),
      signals: [{ at: 5, signal: { kind: 'cancel', by: null, compensate: false, reason: null } }],
    });
    const carried = carry(program, before.driver.state);
    expect(Object.keys(carried).sort()).toEqual([
      'a',
      'each.one[0]',
      'each.one[1]',
      'each.one[2]',
      'each.two[0]',
    ]);
    const after = await run(program, { carried, calls: ({ step }) => ({ output: step }) });
    expect(after.result.status).toBe('COMPLETED');
    expect(after.result.calls).toEqual({ 'each.two[2]': 1, last: 1, end: 1 });
    expect(after.result.steps['each']?.output).toEqual([
      { status: 'SUCCESS', output: { one: 'each.one[0]', two: 'each.two[0]' } },
      { status: 'SUCCESS', output: { one: 'each.one[1]', two: null } },
      { status: 'SUCCESS', output: { one: 'each.one[2]', two: 'each.two[2]' } },
    ]);
    expect(after.result.steps['each.two[1]']).toMatchObject({ reason: 'CONDITION_FALSE' });
  });

  it('what was compensated is run again; what was carried can still be compensated', async () => {
    const { driver } = await interrupted();
    expect(driver.report().compensations).toHaveLength(3);
    expect(Object.keys(carry(program, driver.state)).sort()).toEqual(['a', 'each.two[0]']);
    expect(repeatPreview(program, driver.state)).toEqual({
      carried: ['a', 'each.two[0]'],
      compensated: ['each.one[0]', 'each.one[1]', 'each.one[2]'],
      repeated: ['each.two[2]'],
      pending: ['each.two[1]', 'last', 'end'],
    });
    const simple = workflow([http('a', undo), http('b', { depends_on: ['a'] })]);
    const first = await run(simple, {
      calls: ({ step }) => (step === 'b' ? 'never' : { output: 1 }),
      signals: [{ at: 5, signal: { kind: 'cancel', by: null, compensate: false, reason: null } }],
    });
    const second = await run(simple, {
      carried: carry(simple, first.driver.state),
      calls: () => ({ error: 'Rejected' }),
    });
    expect(second.result).toMatchObject({
      calls: { b: 1 },
      compensations: [{ step: 'a', status: 'SUCCESS' }],
    });
  });

  it('a container that succeeded is carried whole, with what is inside it', async () => {
    const { driver } = await run(program, {
      calls: ({ step }) => (step === 'last' ? 'never' : { output: step }),
      signals: [{ at: 5, signal: { kind: 'cancel', by: null, compensate: false, reason: null } }],
    });
    const carried = carry(program, driver.state);
    expect(carried['each.two[1]']).toMatchObject({ status: 'SKIPPED', class: 'K' });
    const failing = await run(program, { carried, calls: () => ({ error: 'Rejected' }) });
    expect(failing.result.calls).toEqual({ last: 1 });
    expect(failing.result.compensations).toHaveLength(3);
    expect(Object.keys(failing.result.steps)).toContain('each.two[1]');
  });

  it('carrying everything ends at once', async () => {
    const small = workflow([http('a')]);
    const { driver } = await run(small, { calls: () => ({ output: 5 }) });
    const again = await run(small, { carried: carry(small, driver.state) });
    expect(again.result).toMatchObject({ status: 'COMPLETED', output: { a: 5 }, calls: {} });
  });

  it('a newer version must keep type and ancestors of what is carried', () => {
    const steps = [http('a'), http('b', { depends_on: ['a'] })];
    const old = workflow(steps);
    const codes = (next: readonly object[], keys: string[]) =>
      compatible(old, workflow(next), keys).map(({ message }) => message);
    expect(codes(steps, ['a', 'b'])).toEqual([]);
    expect(codes([...steps, http('c', { depends_on: ['b'] })], ['a', 'b'])).toEqual([]);
    expect(codes([http('a'), http('b')], ['a', 'b'])).toEqual([
      "step 'b' has a result to carry over, but it no longer comes after a",
    ]);
    expect(codes([http('a'), http('b')], ['a'])).toEqual([]);
    expect(codes([{ id: 'a', type: 'transform', config: { value: 1 } }], ['a'])).toEqual([
      "step 'a' has a result to carry over, but it is now a transform",
    ]);
    expect(codes([http('c')], ['a'])[0]).toContain('is gone');
    const inside = (type: string, config: object) =>
      workflow([{ id: 'box', type, config: { ...config, steps: [http('a')] } }]);
    const boxes = compatible(
      inside('group', {}),
      inside('for_each', { items: [1], max_items: 1 }),
      ['box.a'],
    );
    expect(boxes.map(({ message }) => message)).toEqual([
      "step 'box.a' has a result to carry over, but it is now in another kind of container",
    ]);
  });
});
