import { describe, expect, it } from 'vitest';
import { call, object, steps, transform } from './support.ts';

describe('steps side by side', () => {
  const diamond = steps(
    [
      call('a'),
      call('b', { depends_on: ['a'] }),
      call('c', { depends_on: ['a'] }),
      transform('d', '{% $steps.b.output %}', { depends_on: ['b', 'c'] }),
    ],
    { output: '{% $steps.d.output %}' },
  );

  it('become branches of a state that is called after them', () => {
    expect([...diamond.states.keys()]).toContain('b+c');
    expect(diamond.next('a')).toBe('b+c');
  });

  it('hand out the outputs that are read behind the join, and only those', () => {
    const [b, c] = diamond.parallel('b+c').Branches;
    expect(b?.States['b']).toMatchObject({
      End: true,
      Output: { s1: { k: 'S', v: { output: '{% $states.result.Payload.output %}' } } },
    });
    expect(b?.States['b']).not.toHaveProperty('Assign');
    expect(c?.States['c']).toMatchObject({ Output: { s2: { k: 'S', v: { output: null } } } });
  });

  it('are assigned to names of the chart around, which no branch assigns', () => {
    expect(diamond.parallel('b+c').Assign).toEqual({
      s1: '{% $states.result[0].s1 %}',
      s2: '{% $states.result[1].s2 %}',
    });
    const caught = diamond.task('b').Catch?.flatMap(({ Assign }) => Object.keys(Assign ?? {}));
    expect(caught).toEqual(['s1_1', 's1_1']);
  });

  it('end a failing branch with a Pass, for a Catcher cannot end it', () => {
    expect(diamond.failsTo('b')).toBe('b.join');
    expect(diamond.states.get('b.join')).toMatchObject({ Type: 'Pass', End: true });
  });
});

describe('a wait beside others', () => {
  const wait = (id: string, type: string, config: object) => ({ id, type, config });
  const nobody = wait('nobody', 'approval', { assignee: 'role:ops', timeout: '1h' });

  it('tells at once that it is over when others may go on for long', () => {
    const rest = wait('rest', 'wait', { duration: '2h' });
    const { failsTo, payload, task } = steps([nobody, rest]);
    expect(failsTo('nobody')).toBe('nobody.record');
    expect(payload('nobody.record')).toMatchObject({
      kind: 'record',
      records: [{ step: 'nobody' }],
    });
    // Where even that fails, the join has the record.
    expect(task('nobody.record').Catch).toMatchObject([{ Next: 'nobody.join' }]);
    expect(payload('rest.record')).toMatchObject({ records: [{ step: 'rest' }] });
  });

  it('lets the join tell it when all others are quick', () => {
    const { states, payload } = steps([nobody, call('b')]);
    expect([...states.keys()].filter((name) => name.endsWith('.record'))).toEqual([]);
    expect(JSON.stringify(payload('cf.report'))).toContain('nobody');
  });
});

describe('a failure before a fork', () => {
  const fan = steps([
    call('a'),
    call('b', { depends_on: ['a'] }),
    call('c', { depends_on: ['a'] }),
    call('d', { depends_on: ['b', 'c'] }),
  ]);

  it('goes around it by one Pass, so that no branch needs a gate', () => {
    expect(fan.failsTo('a')).toBe('b+c.skip');
    expect(fan.states.get('b+c.skip')).toMatchObject({
      Assign: { s1: { k: 'U', why: 'UPSTREAM_FAILED' }, s2: { k: 'U' } },
      Next: 'd.skip',
    });
    expect(fan.parallel('b+c').Branches.map(({ StartAt }) => StartAt)).toEqual(['b', 'c']);
  });

  it('leaves one gate, that of the join', () => {
    expect([...fan.states.keys()].filter((name) => name.endsWith('.gate'))).toEqual(['d.gate']);
    // a, fork, b, c, gate, d, report
    expect(fan.stats.transitions.happy).toBe(7);
  });

  it('goes through the fork when something in it runs in any case', () => {
    const { failsTo } = steps([
      call('a'),
      call('b', { depends_on: ['a'] }),
      call('clean', { depends_on: ['a'], trigger: 'one_failed' }),
    ]);
    expect(failsTo('a')).toBe('b+clean');
  });
});

describe('an order that is not series-parallel', () => {
  const { states, stats, parallel } = steps([
    call('a'),
    call('b'),
    call('c', { depends_on: ['a'] }),
    call('d', { depends_on: ['a', 'b'] }),
  ]);

  it('gets a barrier, and each step still waits for all it depends on', () => {
    expect(stats.barriers).toBe(1);
    const names = [...states.keys()];
    expect(names.indexOf('d.gate')).toBeGreaterThan(names.indexOf('b'));
    expect(parallel(names.find((name) => name.includes('+')) ?? '').Branches.length).toBe(2);
  });

  it('keeps every state name a path of the definition', () => {
    for (const name of ['a', 'b', 'c', 'd']) expect(states.has(name)).toBe(true);
  });
});

describe('branches in branches', () => {
  it('hand records out level by level', () => {
    const { machine } = steps([
      call('a'),
      call('b', { depends_on: ['a'] }),
      call('c', { depends_on: ['a'] }),
      call('x'),
      call('end', { depends_on: ['b', 'c', 'x'] }),
    ]);
    const text = JSON.stringify(machine);
    expect(text).toContain('$states.result[0].s');
    expect(object(machine.States as never)).toHaveProperty('a+x');
  });
});
