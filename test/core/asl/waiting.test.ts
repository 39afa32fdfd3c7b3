import { describe, expect, it } from 'vitest';
import { call, steps } from './support.ts';

describe('wait', () => {
  it('is a Wait and nothing else when it is short and known, rounded up to seconds', () => {
    const { machine, states } = steps([{ id: 'w', type: 'wait', config: { duration: 1001 } }]);
    expect(machine.StartAt).toBe('w');
    expect(states.get('w')).toMatchObject({ Type: 'Wait', Seconds: 2 });
  });

  it.each([{ duration: '2h' }, { duration: '{% $input.ms %}' }, { until: '{% $input.at %}' }])(
    'begins with the runner when it is long or computed: %j',
    (config) => {
      const { machine, payload, states, next, failsTo } = steps([
        { id: 'w', type: 'wait', config },
      ]);
      expect(machine.StartAt).toBe('w.timer');
      expect(payload('w.timer')).toMatchObject({ kind: 'timer', step: 'w' });
      expect(next('w.timer')).toBe('w');
      expect(states.get('w')).toMatchObject({ Type: 'Wait', Timestamp: '{% $u0 %}' });
      expect(failsTo('w.timer')).toBe('cf.decide');
    },
  );
});

describe('a wait that something undoes', () => {
  it('is closed by the runner, which records how to undo it', () => {
    const { next, payload } = steps([
      {
        id: 'w',
        type: 'wait',
        config: { duration: 1000 },
        compensate: { type: 'http_request', config: { url: 'https://world.test/{% $input.x %}' } },
      },
    ]);
    expect(next('w')).toBe('w.done');
    expect(payload('w.done')).toMatchObject({ kind: 'transform', step: 'w' });
  });
});

describe('steps that wait for an answer', () => {
  const TOKEN = 'arn:aws:states:::lambda:invoke.waitForTaskToken';

  it('approval hands out a token and waits for its timeout', () => {
    const { task, payload } = steps([
      { id: 'ok', type: 'approval', config: { assignee: 'ops', timeout: '2d' } },
    ]);
    expect(task('ok')).toMatchObject({
      Resource: TOKEN,
      TimeoutSeconds: 172_800,
      Assign: { s0: { v: { output: '{% $states.result.output %}' } } },
    });
    expect(payload('ok')).toMatchObject({
      kind: 'approval',
      token: '{% $states.context.Task.Token %}',
    });
  });

  it('callback has a heartbeat when that is shorter than its timeout', () => {
    const request = { url: 'https://world.test/start', method: 'POST' };
    const { task } = steps([
      { id: 'cb', type: 'callback', config: { request, timeout: 60_000, heartbeat: 10_000 } },
    ]);
    expect(task('cb')).toMatchObject({ Resource: TOKEN, HeartbeatSeconds: 10, TimeoutSeconds: 60 });
    const without = steps([{ id: 'cb', type: 'callback', config: { request, timeout: 10_500 } }]);
    expect(without.task('cb')).toMatchObject({ TimeoutSeconds: 11 });
    expect(without.task('cb')).not.toHaveProperty('HeartbeatSeconds');
  });

  it('a child waits by token, a detached one does not', () => {
    const config = { workflow_id: 'other', input: { n: '{% $input.n %}' } };
    const waiting = steps([{ id: 'c', type: 'sub_workflow', max_output_bytes: 100, config }]);
    expect(waiting.task('c').Resource).toBe(TOKEN);
    expect(waiting.task('c')).not.toHaveProperty('TimeoutSeconds');
    expect(waiting.payload('c')).toMatchObject({ kind: 'child', step: 'c' });
    const detached = steps([
      {
        id: 'c',
        type: 'sub_workflow',
        max_output_bytes: 100,
        config: { ...config, mode: 'detach', timeout: 5000 },
      },
    ]);
    expect(detached.task('c').Resource).toBe('arn:aws:states:::lambda:invoke');
    expect(detached.payload('c')).not.toHaveProperty('token');
    expect(detached.task('c').TimeoutSeconds).toBe(5);
  });
});

describe('fail', () => {
  it('is a Task, so that it is recorded at once and shows as failed', () => {
    const { payload } = steps([
      call('a'),
      {
        id: 'stop',
        type: 'fail',
        depends_on: ['a'],
        config: { error: 'OutOfStock', message: 'no {% $steps.a.output %}' },
      },
    ]);
    expect(payload('stop')).toMatchObject({ kind: 'fail', error: 'OutOfStock' });
    expect(payload('stop')['bindings']).toEqual({ steps: { a: '{% $s0.v %}' } });
  });
});
