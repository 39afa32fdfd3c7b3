import { describe, expect, it } from 'vitest';
import { call, object, steps, transform } from './support.ts';

const SMALL = { max_output_bytes: 50 };

describe('for_each', () => {
  const orders = steps([
    {
      id: 'orders',
      type: 'for_each',
      config: {
        items: '{% $input.orders %}',
        concurrency: 3,
        max_items: 20,
        steps: [
          call('charge', { ...SMALL, config: { body: '{% $item.id & $index %}' } }),
          call('ship', { ...SMALL, depends_on: ['charge'] }),
        ],
      },
    },
  ]);

  it('has its items from the runner', () => {
    expect(orders.machine.StartAt).toBe('orders.items');
    expect(orders.payload('orders.items')).toMatchObject({ kind: 'items', step: 'orders' });
    expect(orders.task('orders.items').Assign).toEqual({
      m0: '{% $states.result.Payload.items %}',
    });
  });

  it('runs its body in a Map that bears its name', () => {
    expect(orders.next('orders.items')).toBe('orders');
    expect(orders.map('orders')).toMatchObject({
      Items: '{% $m0 %}',
      MaxConcurrency: 3,
      ItemProcessor: { ProcessorConfig: { Mode: 'INLINE' }, StartAt: 'orders.item' },
    });
    expect(orders.next('orders.item')).toBe('orders.charge');
  });

  it('binds item and index, and counts them in the key of the step', () => {
    expect(orders.payload('orders.charge')).toMatchObject({
      step: "{% 'orders.charge[' & $i0_1 & ']' %}",
      bindings: { item: '{% $x0_1 %}', index: '{% $i0_1 %}' },
    });
  });

  it('ends an iteration that went well in its last task', () => {
    expect(orders.states.get('orders.ship')).toMatchObject({
      End: true,
      Output: {
        status: 'SUCCESS',
        output: { charge: '{% $s1_1.v.output %}', ship: '{% $states.result.Payload.output %}' },
      },
    });
  });

  it('records what no task would carry before the variables of an iteration are gone', () => {
    expect(orders.failsTo('orders.charge')).toBe('orders.ship.skip');
    expect(orders.next('orders.ship.skip')).toBe('orders.record');
    expect(orders.payload('orders.record')).toMatchObject({
      kind: 'record',
      records: [
        { step: "{% 'orders.charge[' & $i0_1 & ']' %}" },
        { step: "{% 'orders.ship[' & $i0_1 & ']' %}" },
      ],
    });
    expect(orders.failsTo('orders.record')).toBe('orders.end');
  });

  it('closes with its results, and fails when an iteration did', () => {
    expect(orders.next('orders')).toBe('orders.done');
    expect(orders.payload('orders.done')).toMatchObject({
      kind: 'container',
      type: 'for_each',
      output: '{% $r0 %}',
      failed: "{% $count($r0[status = 'FAILED']) %}",
    });
  });

  it('lets inner items hide outer ones and reads outer records from inside', () => {
    const { payload } = steps([
      call('first'),
      {
        id: 'outer',
        type: 'for_each',
        depends_on: ['first'],
        config: {
          items: '{% $steps.first.output %}',
          max_items: 3,
          steps: [
            {
              id: 'inner',
              type: 'for_each',
              config: {
                items: '{% $item.lines %}',
                max_items: 3,
                steps: [
                  transform(
                    't',
                    ['{% $item %}', '{% $index %}', '{% $steps.first.output %}'],
                    SMALL,
                  ),
                ],
              },
            },
          ],
        },
      },
    ]);
    expect(payload('outer.inner.items')['bindings']).toEqual({ item: '{% $x1_1 %}' });
    expect(payload('outer.inner.t')).toMatchObject({
      step: "{% 'outer.inner.t[' & $i1_1 & ',' & $i2_2 & ']' %}",
      bindings: {
        item: '{% $x2_2 %}',
        index: '{% $i2_2 %}',
        steps: { first: '{% $s0.v %}' },
      },
    });
  });
});

describe('loop', () => {
  const poll = steps([
    {
      id: 'poll',
      type: 'loop',
      config: {
        until: "{% $loop.last.check.state = 'done' %}",
        max_iterations: 5,
        steps: [call('check', { ...SMALL, config: { body: '{% $loop.index %}' } })],
      },
    },
  ]);

  it('counts from zero, tests, runs its body and comes back', () => {
    expect(poll.states.get('poll.start')).toMatchObject({ Assign: { i0: 0, l0: null } });
    expect(poll.next('poll.start')).toBe('poll');
    expect(poll.next('poll.check')).toBe('poll.next');
    expect(poll.choice('poll.next')).toMatchObject({
      Assign: { i0: '{% $i0 + 1 %}', l0: { check: '{% $s1.v.output %}' } },
      Default: 'poll',
    });
  });

  it('negates until, so that what is no boolean goes on', () => {
    const { Choices } = poll.choice('poll');
    expect(Choices[0]?.Condition).toMatch(/^\{% \$not\(.* = true\) and \$i0 < 5 %\}$/);
    expect(Choices.map(({ Next }) => Next)).toEqual(['poll.check', 'poll.limit']);
  });

  it('fails when its limit is reached and the test still holds', () => {
    expect(poll.states.get('poll.limit')).toMatchObject({
      Assign: { s0: { k: 'F', v: { error: { code: 'CloudFlow.LoopLimitExceeded' } } } },
    });
  });

  it('fails when its body did, after what is pending has been recorded', () => {
    expect(poll.failsTo('poll.check')).toBe('poll.record');
    expect(poll.next('poll.record')).toBe('poll.next');
    expect(poll.choice('poll.next').Choices[0]?.Next).toBe('poll.failed');
    expect(poll.states.get('poll.failed')).toMatchObject({
      Assign: { s0: { v: { error: { code: 'CloudFlow.IterationFailed' } } } },
    });
  });

  it('answers with how often it ran and the last outputs', () => {
    expect(poll.choice('poll').Default).toBe('poll.done');
    expect(poll.payload('poll.done')['output']).toEqual({
      iterations: '{% $i0 %}',
      last: '{% $l0 %}',
    });
  });

  it('counts its rounds in the worst case and one in the happy one', () => {
    // start, loop, check, next, loop, done, report
    expect(poll.stats.transitions.happy).toBe(7);
    expect(poll.stats.transitions.worst).toBeGreaterThan(5 * 4);
  });

  it('comes back to the runner when its test can fail', () => {
    const { choice, next, payload } = steps([
      {
        id: 'poll',
        type: 'loop',
        config: {
          while: '{% $loop.last.check.n < 3 %}',
          max_iterations: 5,
          steps: [call('check', SMALL)],
        },
      },
    ]);
    expect(choice('poll.next').Default).toBe('poll.test');
    expect(payload('poll.test')).toMatchObject({
      kind: 'test',
      of: 'loop',
      bindings: { loop: { index: '{% $i0 %}', last: '{% $l0 %}' } },
    });
    expect(next('poll.test')).toBe('poll');
    expect(choice('poll').Choices[0]?.Condition).toBe("{% $w0 = 'on' and $i0 < 5 %}");
  });
});

describe('branch', () => {
  it('chooses in a state of its own name, and each arm closes itself', () => {
    const { choice, next, payload } = steps([
      {
        id: 'kind',
        type: 'branch',
        config: {
          cases: [
            { when: "{% $input.k = 'a' %}", steps: [call('one')] },
            { when: "{% $input.k = 'b' %}", steps: [call('two')] },
          ],
          else: [call('three')],
        },
      },
    ]);
    expect(choice('kind').Choices.map(({ Next }) => Next)).toEqual(['kind.one', 'kind.two']);
    expect(choice('kind').Default).toBe('kind.three');
    expect(next('kind.two')).toBe('kind.case-1');
    expect(payload('kind.case-1')).toMatchObject({
      kind: 'container',
      step: 'kind',
      output: { case: '1', steps: { two: '{% $s2.v.output %}' } },
    });
    expect(object(payload('kind.case-else')['output'] ?? null)['case']).toBe('else');
  });

  it('runs nothing without a case and without else', () => {
    const { choice, payload } = steps([
      {
        id: 'kind',
        type: 'branch',
        config: { cases: [{ when: "{% $input.k = 'a' %}", steps: [call('one')] }] },
      },
    ]);
    expect(choice('kind').Default).toBe('kind.case-none');
    expect(payload('kind.case-none')['output']).toEqual({ case: null, steps: {} });
  });

  it('has the runner test the cases when one of them can fail', () => {
    const { choice, failsTo, payload } = steps([
      {
        id: 'kind',
        type: 'branch',
        config: {
          cases: [
            { when: '{% $input.n > 10 %}', steps: [call('big')] },
            { when: '{% $input.n > 5 %}', steps: [call('mid')] },
          ],
        },
      },
    ]);
    expect(payload('kind.test')).toMatchObject({ kind: 'test', step: 'kind', of: 'cases' });
    expect(failsTo('kind.test')).toBe('cf.decide');
    expect(choice('kind').Choices.map(({ Condition }) => Condition)).toEqual([
      "{% $w0 = '0' %}",
      "{% $w0 = '1' %}",
    ]);
  });
});

describe('group', () => {
  it('runs its body in line and closes in a state of its own name', () => {
    const { machine, next, payload } = steps([
      {
        id: 'g',
        type: 'group',
        config: { steps: [call('a'), call('b', { depends_on: ['a'] })] },
      },
    ]);
    expect(machine.StartAt).toBe('g.a');
    expect(next('g.b')).toBe('g');
    expect(payload('g')).toMatchObject({
      kind: 'container',
      type: 'group',
      output: { a: '{% $s1.v.output %}', b: '{% $s2.v.output %}' },
      failed: "{% $count([$s1.k, $s2.k][$ = 'F']) %}",
    });
  });

  it('nests five deep', () => {
    let inner: object = call('x', SMALL);
    for (const id of ['e', 'd', 'c', 'b', 'a']) {
      inner = { id, type: 'group', config: { steps: [inner] } };
    }
    const { states } = steps([inner as never]);
    expect(states.has('a.b.c.d.e.x')).toBe(true);
    expect(states.has('a.b.c.d.e')).toBe(true);
  });
});
