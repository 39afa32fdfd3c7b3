import { describe, expect, it } from 'vitest';
import { call, lastCatcher, programOf, steps, transform } from './support.ts';

describe('a chain of connectors', () => {
  const chain = steps([
    call('a'),
    call('b', { depends_on: ['a'] }),
    call('c', { depends_on: ['b'] }),
  ]);

  it('has one state for each step, in order, and no gates', () => {
    expect(chain.machine.StartAt).toBe('a');
    expect(chain.next('a')).toBe('b');
    expect(chain.next('b')).toBe('c');
    expect([...chain.states.keys()].filter((name) => name.includes('gate'))).toEqual([]);
  });

  it('reports at once after its last success, for nothing before can have failed', () => {
    expect(chain.next('c')).toBe('cf.report');
    expect(chain.states.get('cf.report')).toMatchObject({ Type: 'Task', End: true });
  });

  it('skips on from a failure, and then decides', () => {
    expect(chain.failsTo('a')).toBe('b.skip');
    expect(chain.next('b.skip')).toBe('c.skip');
    expect(chain.next('c.skip')).toBe('cf.decide');
    expect(chain.choice('cf.decide').Choices[0]?.Next).toBe('cf.report-failure');
    expect(chain.states.get('b.skip')).toMatchObject({
      Assign: { s1: { k: 'U', why: 'UPSTREAM_FAILED', v: { status: 'SKIPPED' } } },
    });
  });

  it('costs a transition for each step and one for the report', () => {
    expect(chain.stats.transitions.happy).toBe(4);
    expect(chain.stats.events.happy).toBe(22);
    expect(chain.stats.usdPerMillion).toBe(100);
  });

  it('invokes one function, whose name an option sets', () => {
    expect(chain.task('a')).toMatchObject({
      Resource: 'arn:aws:states:::lambda:invoke',
      // biome-ignore lint/suspicious/noTemplateCurlyInString: AWS's notation
      Arguments: { FunctionName: '${StepRunner}' },
    });
    expect(chain.payload('a')).toEqual({
      kind: 'call',
      execution: '{% $states.context.Execution.Name %}',
      step: 'a',
      repetition: '{% $states.context.State.RetryCount %}',
      type: 'http_request',
    });
  });

  it('begins each Task with the retrier for infrastructure, which counts no attempts', () => {
    expect(chain.task('a').Retry?.[0]?.ErrorEquals).toContain('Lambda.TooManyRequestsException');
    expect(chain.task('a').Retry).toHaveLength(1);
  });
});

describe('data between steps', () => {
  it('go with the task whose expressions read them, and no others', () => {
    const { payload } = steps([
      call('a'),
      call('b', { depends_on: ['a'], config: { body: '{% $steps.a.output.x %}' } }),
      call('c', { depends_on: ['b'], config: { body: { n: '{% $input.n %}', one: '{% 1 %}' } } }),
    ]);
    expect(payload('b')['bindings']).toEqual({ steps: { a: '{% $s0.v %}' } });
    expect(payload('c')).not.toHaveProperty('bindings');
  });

  it('stay in the log where expressions may read more than a payload can bring', () => {
    const ids = ['a', 'b', 'c'];
    const { payload } = steps(
      [
        ...ids.map((id, i) =>
          call(id, { max_output_bytes: 70_000, ...(i > 0 ? { depends_on: [ids[i - 1]] } : {}) }),
        ),
        call('d', {
          depends_on: ['c'],
          result: '{% $count([$steps.a.output, $steps.b.output, $steps.c.output]) %}',
        }),
        call('e', { depends_on: ['c'], result: '{% $steps.a.output %}' }),
      ],
      { output: null },
    );
    expect(payload('d')).not.toHaveProperty('bindings');
    expect(payload('e')).toHaveProperty('bindings');
  });

  it('does not keep an output that nobody reads', () => {
    const { states } = steps([call('a'), call('b', { depends_on: ['a'] })], {
      output: { b: '{% $steps.b.output %}' },
    });
    expect(states.get('a')).toMatchObject({ Assign: { s0: { v: { output: null } } } });
    expect(states.get('b')).toMatchObject({
      Assign: { s1: { v: { output: '{% $states.result.Payload.output %}' } } },
    });
  });

  it('gives the runner what result and compensate read, and nothing else', () => {
    const { payload } = steps([
      call('a'),
      call('b'),
      call('c', {
        depends_on: ['a', 'b'],
        result: '{% $result.body & $steps.a.output %}',
        compensate: {
          type: 'http_request',
          config: { url: 'https://w.test/{% $steps.c.output %}' },
        },
      }),
    ]);
    expect(payload('c')['bindings']).toEqual({ steps: { a: '{% $s0.v %}' } });
    expect(payload('a')).not.toHaveProperty('bindings');
  });
});

describe('what the runner may not know', () => {
  it('rides along with the next task, and only that', () => {
    const { payload } = steps([
      call('a', { when: '{% $input.x = 1 %}' }),
      call('b', { depends_on: ['a'], trigger: 'all_done' }),
      call('c', { depends_on: ['b'] }),
    ]);
    expect(payload('b')['records']).toEqual([
      { step: 'a', record: "{% $s0.v.status = 'SUCCESS' ? null : $s0 %}" },
    ]);
    expect(payload('c')).not.toHaveProperty('records');
  });

  it('goes to the report when no task follows', () => {
    const { payload } = steps([{ id: 'w', type: 'wait', config: { duration: 5000 } }]);
    expect(payload('cf.report')['records']).toEqual([{ step: 'w', record: '{% $s0 %}' }]);
  });

  it('is nothing for steps that have succeeded for certain', () => {
    const { payload } = steps([
      call('a'),
      call('b'),
      call('c', { depends_on: ['a', 'b'] }),
      call('d', { depends_on: ['c'], trigger: 'all_done' }),
    ]);
    expect(payload('c')).not.toHaveProperty('records');
    expect(JSON.stringify(payload('d')['records'])).toContain('"step":"a"');
  });
});

describe('a transform', () => {
  it('is evaluated and measured by the runner', () => {
    const { payload, failsTo } = steps([transform('t', { sum: '{% $input.a + $input.b %}' })]);
    expect(payload('t')).toMatchObject({ kind: 'transform', step: 't' });
    expect(failsTo('t')).toBe('cf.decide');
  });
});

describe('a failure', () => {
  it('of a step with continue_on_failure is class S and leads to the next step itself', () => {
    const { task, failsTo } = steps([
      call('a', { continue_on_failure: true }),
      call('b', { depends_on: ['a'] }),
    ]);
    expect(failsTo('a')).toBe('b');
    expect(JSON.stringify(lastCatcher(task('a'))?.Assign)).toContain("'k': 'S'");
  });

  it('for want of room is caught by name, since States.ALL does not include it', () => {
    const { task } = steps([call('a')]);
    expect(task('a').Catch?.map(({ ErrorEquals }) => ErrorEquals)).toEqual([
      ['States.DataLimitExceeded'],
      ['States.ALL'],
    ]);
  });
});

describe('on_failure: halt', () => {
  it('lets the runner refuse to start a step, which is then skipped as HALTED', () => {
    const { task } = steps([call('a'), call('b')], { on_failure: 'halt' });
    expect(task('a').Catch?.[0]).toMatchObject({
      ErrorEquals: ['CloudFlow.Halted'],
      Assign: { s0_1: { k: 'K', why: 'HALTED' } },
    });
  });
});

describe('timeouts', () => {
  it('of Amazon stand a second behind the runner, which keeps them to the millisecond', () => {
    const { task } = steps([call('a', { config: { timeout: 1500 } })]);
    expect(task('a').TimeoutSeconds).toBe(3);
  });

  it('of the workflow are the machine', () => {
    expect(steps([call('a')], { timeout: 1500 }).machine.TimeoutSeconds).toBe(2);
    expect(programOf([call('a')]).timeoutMs).toBeNull();
  });
});
