import { beforeEach, describe, expect, it } from 'vitest';
import { type Json, jsonBytes } from '#core/json.ts';
import { PLATFORM_STEP_TYPES, STEP_TYPES } from '#core/plan/program.ts';
import { performCall } from '#steps/perform-call.ts';
import { performCompensation } from '#steps/perform-compensation.ts';
import { STEP_WORK } from '#steps/step-work.ts';
import { callOf, codeOf, createWorld, http, stepOf, undoOf, type World } from './support.ts';

let world: World;
beforeEach(() => {
  world = createWorld();
});
const ship = stepOf({ id: 'ship', type: 'http_request', config: { url: 'https://a.example/' } });
const send = (config: Json, more = {}) => performCall(world, callOf(ship, config, more));
const TARGET = 'https://api.example/x';

it('every step type says what it does outside', () => {
  const types = new Set([...STEP_TYPES, ...PLATFORM_STEP_TYPES]);
  expect(Object.keys(STEP_WORK).sort()).toEqual([...types].sort());
});

it('a step without a call is refused as our own mistake', async () => {
  const wait = stepOf({ id: 'nap', type: 'wait', config: { duration: 1000 } });
  await expect(performCall(world, callOf(wait, {}))).rejects.toThrow(TypeError);
});

describe('time', () => {
  it('ends an attempt, and its request hears of it', async () => {
    world.answer = (request) =>
      new Promise((resolve) =>
        request.signal.addEventListener('abort', () =>
          resolve({ ok: false, reason: 'aborted', message: 'x' }),
        ),
      );
    const pending = send({ url: TARGET });
    await Promise.resolve();
    setImmediate(() => world.expire());
    expect(await pending).toEqual({
      ok: false,
      error: { code: 'CloudFlow.Timeout', message: 'no result within 1500 ms' },
    });
    expect(world.openDeadlines()).toBe(0);
  });

  it('is given up with the attempt, which then is cancelled and not late', async () => {
    world.answer = (request) =>
      new Promise((resolve) =>
        request.signal.addEventListener('abort', () =>
          resolve({ ok: false, reason: 'aborted', message: 'x' }),
        ),
      );
    const controller = new AbortController();
    const pending = send({ url: TARGET }, { signal: controller.signal });
    setImmediate(() => controller.abort());
    expect(codeOf(await pending)).toBe('Cancelled');
  });

  it('does not open the breaker when the host gave up, and does when the target is silent', async () => {
    world.answer = () => ({ ok: false, reason: 'aborted', message: 'x' });
    for (let i = 0; i < 20; i++) await send({ url: TARGET });
    expect(world.requests).toHaveLength(20);
    world.answer = () => ({ ok: false, reason: 'unreachable', message: 'x' });
    const codes = [];
    for (let i = 0; i < 12; i++) codes.push(codeOf(await send({ url: TARGET })));
    expect(codes).toEqual([...Array(10).fill('ConnectionError'), 'Transient', 'Transient']);
    expect(codeOf(await send({ url: 'https://other.example/' }))).toBe('ConnectionError');
    expect(codeOf(await send({ url: TARGET }, { tenant: 'else' }))).toBe('ConnectionError');
  });

  it('a part of ours that is away is no attempt', async () => {
    const away = {
      ...world,
      connections: { ...world.connections, find: () => Promise.reject(new Error('away')) },
    };
    await expect(performCall(away, callOf(ship, { url: '/x', connection: 'crm' }))).rejects.toThrow(
      'away',
    );
  });
});

describe('result and budget', () => {
  const shaped = (result: string, more: { [member: string]: Json } = {}) =>
    stepOf({
      id: 'ship',
      type: 'http_request',
      config: { url: 'https://a.example/' },
      result,
      ...more,
    });

  it('shapes the raw result, simple or not', async () => {
    world.answer = () => http(200, { items: [{ n: 2 }, { n: 3 }], name: 'x'.repeat(50_000) });
    const simple = await performCall(
      world,
      callOf(shaped('{% $result.status %}'), { url: TARGET }),
    );
    expect(simple).toEqual({ ok: true, output: 200, compensation: null });
    const whole = await performCall(
      world,
      callOf(shaped('{% $sum($result.body.items.n) %}'), { url: TARGET }),
    );
    expect(whole).toEqual({ ok: true, output: 5, compensation: null });
  });

  it.each([
    ['{% $result.body.none %}', 'yields no value'],
    ['{% $sum($result.body.none.x) %}', 'yields no value'],
    ["{% $error('canary') %}", ''],
    ['{% $result.body.text > 5 %}', ''],
  ])('%s is ExpressionError', async (result, message) => {
    world.answer = () => http(200, { text: 'a' });
    const answer = await performCall(world, callOf(shaped(result), { url: TARGET }));
    expect(codeOf(answer)).toBe('ExpressionError');
    expect(!answer.ok && answer.error.message).toContain(message);
  });

  it('counts bytes of canonical JSON, to the byte', async () => {
    const exact = {
      status: 200,
      headers: { 'content-type': 'application/json' },
      body: { é: 'ü' },
    };
    world.answer = () => http(200, exact.body);
    const bytes = jsonBytes(exact);
    const fits = stepOf({
      id: 'ship',
      type: 'http_request',
      config: { url: 'https://a.example/' },
      max_output_bytes: bytes,
    });
    const not = stepOf({
      id: 'ship',
      type: 'http_request',
      config: { url: 'https://a.example/' },
      max_output_bytes: bytes - 1,
    });
    expect(codeOf(await performCall(world, callOf(fits, { url: TARGET })))).toBe('ok');
    expect(codeOf(await performCall(world, callOf(not, { url: TARGET })))).toBe('OutputTooLarge');
  });

  it('evaluates what would undo the step, with the step itself visible', async () => {
    world.answer = () => http(200, { id: 'o-1' });
    const step = stepOf({
      id: 'ship',
      type: 'http_request',
      config: { url: 'https://a.example/' },
      result: '{% $result.body %}',
      compensate: {
        type: 'http_request',
        config: {
          url: 'https://a.example/{% $steps.ship.output.id %}/{% $uppercase($steps.ship.status) %}',
          method: 'POST',
          body: { tries: '{% $steps.ship.attempts %}', none: '{% $input.none %}' },
        },
      },
    });
    const result = await performCall(
      world,
      callOf(step, { url: TARGET }, { attempt: 2, bindings: { input: {} } }),
    );
    expect(result).toMatchObject({
      ok: true,
      output: { id: 'o-1' },
      compensation: {
        type: 'http_request',
        config: { url: 'https://a.example/o-1/SUCCESS', body: { tries: 2, none: null } },
      },
    });
  });

  it('an error there marks the record bad and leaves the step a success', async () => {
    world.answer = () => http(200, { id: 'o-1' });
    const step = stepOf({
      id: 'ship',
      type: 'http_request',
      config: { url: 'https://a.example/' },
      compensate: { type: 'http_request', config: { url: "{% $error('no') %}" } },
    });
    const result = await performCall(world, callOf(step, { url: TARGET }));
    expect(result).toMatchObject({
      ok: true,
      compensation: { config: null, bad: { code: 'CloudFlow.ExpressionError' } },
    });
    if (!result.ok || result.compensation === null) throw new Error('no record');
    const undone = await performCompensation(world, undoOf(step, result.compensation));
    expect(undone).toMatchObject({ ok: false, error: { code: 'CloudFlow.ExpressionError' } });
    expect(world.requests).toHaveLength(1);
  });
});
