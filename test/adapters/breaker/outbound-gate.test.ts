import { describe, expect, it } from 'vitest';
import { createOutboundGate, type GateLimits } from '#adapters/breaker/outbound-gate.ts';

/** A clock whose monotonic time is ours. */
function gateWith(limits: Partial<GateLimits> = {}) {
  const time = { now: 0 };
  const clock = {
    now: () => 0,
    monotonic: () => time.now,
    schedule: () => ({ cancel: () => undefined }),
    after: () => ({ cancel: () => undefined }),
  };
  const gate = createOutboundGate(clock, {
    concurrency: 2,
    waiting: 3,
    failures: 3,
    openMs: 1_000,
    ...limits,
  });
  return { gate, time };
}
const NEVER = new AbortController().signal;
const TARGET = { tenant: 'acme', name: 'api.test' };
const silent = () => Promise.resolve({ value: 'silence', silent: true });
const answers = () => Promise.resolve({ value: 'answer', silent: false });

/** A call that ends when it is told to. */
function held() {
  let finish: () => void = () => undefined;
  const done = new Promise<void>((resolve) => {
    finish = resolve;
  });
  let started = false;
  return {
    call: async () => {
      started = true;
      await done;
      return { value: 'held', silent: false };
    },
    finish: () => finish(),
    started: () => started,
  };
}
const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('room', () => {
  it('is for so many at once, then so many wait in order, then it is busy', async () => {
    const { gate } = gateWith();
    const calls = Array.from({ length: 5 }, held);
    const results = calls.map(({ call }) => gate.run(TARGET, NEVER, call));
    expect(await gate.run(TARGET, NEVER, answers)).toEqual({ kind: 'busy' });
    await turn();
    expect(calls.map(({ started }) => started())).toEqual([true, true, false, false, false]);
    calls[1]?.finish();
    await turn();
    expect(calls.map(({ started }) => started())).toEqual([true, true, true, false, false]);
    for (const { finish } of calls) finish();
    expect((await Promise.all(results)).map(({ kind }) => kind)).toEqual(Array(5).fill('ran'));
    expect(gate.size).toBe(0);
  });

  it('is each tenant’s and each target’s own', async () => {
    const { gate } = gateWith({ concurrency: 1, waiting: 0 });
    const one = held();
    const first = gate.run(TARGET, NEVER, one.call);
    expect((await gate.run(TARGET, NEVER, answers)).kind).toBe('busy');
    expect((await gate.run({ ...TARGET, tenant: 'other' }, NEVER, answers)).kind).toBe('ran');
    expect((await gate.run({ ...TARGET, name: 'other' }, NEVER, answers)).kind).toBe('ran');
    expect((await gate.run({ tenant: 'acm', name: 'eapi.test' }, NEVER, answers)).kind).toBe('ran');
    one.finish();
    await first;
  });

  it('is not waited for beyond the signal, and no place is lost', async () => {
    const { gate } = gateWith({ concurrency: 1 });
    const one = held();
    const first = gate.run(TARGET, NEVER, one.call);
    const controller = new AbortController();
    const second = gate.run(TARGET, controller.signal, answers);
    const third = gate.run(TARGET, NEVER, answers);
    controller.abort();
    expect(await second).toEqual({ kind: 'aborted' });
    expect(await gate.run(TARGET, controller.signal, answers)).toEqual({ kind: 'aborted' });
    one.finish();
    expect((await first).kind).toBe('ran');
    expect((await third).kind).toBe('ran');
    expect(gate.size).toBe(0);
  });

  it('comes back from a call that throws', async () => {
    const { gate } = gateWith({ concurrency: 1, waiting: 0 });
    await expect(gate.run(TARGET, NEVER, () => Promise.reject(new Error('ours')))).rejects.toThrow(
      'ours',
    );
    expect((await gate.run(TARGET, NEVER, answers)).kind).toBe('ran');
    expect(gate.size).toBe(0);
  });
});

describe('the breaker', () => {
  it('opens after so many silent calls in a row, and one answer starts the count anew', async () => {
    const { gate } = gateWith();
    for (const call of [silent, silent, answers, silent, silent])
      await gate.run(TARGET, NEVER, call);
    expect((await gate.run(TARGET, NEVER, silent)).kind).toBe('ran');
    expect((await gate.run(TARGET, NEVER, answers)).kind).toBe('open');
  });

  it('lets one call probe after its time, and closes when that is answered', async () => {
    const { gate, time } = gateWith();
    for (let i = 0; i < 3; i++) await gate.run(TARGET, NEVER, silent);
    time.now = 999;
    expect((await gate.run(TARGET, NEVER, answers)).kind).toBe('open');
    time.now = 1_000;
    const probe = held();
    const probing = gate.run(TARGET, NEVER, probe.call);
    expect((await gate.run(TARGET, NEVER, answers)).kind).toBe('open');
    expect((await gate.run(TARGET, NEVER, answers)).kind).toBe('open');
    probe.finish();
    expect((await probing).kind).toBe('ran');
    expect((await gate.run(TARGET, NEVER, answers)).kind).toBe('ran');
    expect(gate.size).toBe(0);
  });

  it('opens again when the probe is silent too', async () => {
    const { gate, time } = gateWith();
    for (let i = 0; i < 3; i++) await gate.run(TARGET, NEVER, silent);
    time.now = 1_000;
    expect((await gate.run(TARGET, NEVER, silent)).kind).toBe('ran');
    time.now = 1_999;
    expect((await gate.run(TARGET, NEVER, answers)).kind).toBe('open');
    time.now = 2_000;
    expect((await gate.run(TARGET, NEVER, answers)).kind).toBe('ran');
  });

  it('turns away those who were waiting when it opened', async () => {
    const { gate } = gateWith({ concurrency: 1, failures: 1 });
    const results = [silent, answers, answers].map((call) => gate.run(TARGET, NEVER, call));
    expect((await Promise.all(results)).map(({ kind }) => kind)).toEqual(['ran', 'open', 'open']);
  });

  it('remembers a bounded number of silent targets', async () => {
    const { gate } = gateWith();
    for (let i = 0; i < 10_500; i++) await gate.run({ ...TARGET, name: `t${i}` }, NEVER, silent);
    expect(gate.size).toBeLessThanOrEqual(10_000);
  });
});
