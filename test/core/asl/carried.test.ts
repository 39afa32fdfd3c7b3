import { describe, expect, it } from 'vitest';
import { call, compiled, programOf } from './support.ts';

const program = programOf([
  call('a', { when: '{% $input.go %}' }),
  {
    id: 'each',
    type: 'for_each',
    depends_on: ['a'],
    config: { items: [1], max_items: 1, steps: [call('x', { max_output_bytes: 50 })] },
  },
]);

describe('a machine that continues an earlier execution', () => {
  const { machine, payload, choice, next } = compiled(program, { continues: true });

  it('asks before the trigger and the condition of every step, in containers too', () => {
    expect(machine.StartAt).toBe('a.carried');
    expect(payload('a.carried')).toMatchObject({ kind: 'carried', step: 'a' });
    expect(next('a.carried')).toBe('a.known');
    expect(choice('a.known').Default).toBe('a.when');
    expect(payload('each.x.carried')).toMatchObject({
      kind: 'carried',
      step: "{% 'each.x[' & $i1_1 & ']' %}",
    });
  });

  it('goes past what was carried over, a container with all that is in it', () => {
    expect(choice('a.known').Choices).toEqual([
      { Condition: '{% $exists($s0.k) %}', Next: 'each.carried' },
    ]);
    expect(choice('each.known').Choices[0]?.Next).toBe('cf.decide');
    expect(choice('each.known').Default).toBe('each.gate');
  });

  it('leaves with the runner what nothing reads, since no budget has room for it', () => {
    const wide = ['a', 'b', 'c'].map((id) => call(id, { max_output_bytes: 131_072 }));
    const own = compiled(programOf(wide, { output: { a: 1 } }), { continues: true });
    const whole = compiled(programOf([call('a')]), { continues: true });
    expect(whole.task('a.carried').Assign?.['s0']).toBe('{% $states.result.Payload.record %}');
    for (const [i, id] of ['a', 'b', 'c'].entries()) {
      expect(own.task(`${id}.carried`).Assign?.[`s${i}_${i + 1}`]).toContain("{'output': null}");
    }
  });

  it('is another than the one that begins', () => {
    const { states } = compiled(program);
    expect([...states.keys()].filter((name) => /carried|known/.test(name))).toEqual([]);
  });
});
