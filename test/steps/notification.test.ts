import { beforeEach, describe, expect, it } from 'vitest';
import { derivedId } from '#core/ids.ts';
import type { Json } from '#core/json.ts';
import { performCall } from '#steps/perform-call.ts';
import {
  callOf,
  codeOf,
  createWorld,
  EXECUTION_ID,
  ROOT_ID,
  stepOf,
  type World,
} from './support.ts';

let world: World;
beforeEach(() => {
  world = createWorld();
});

describe('notification', () => {
  const step = stepOf({ id: 'tell', type: 'notification', config: { channel: 'email' } });

  it('asks for delivery under one id, whatever the attempt', async () => {
    const config = { channel: 'in_app', template: 'welcome', to: ['u-1'], data: { a: 1 } };
    const first = await performCall(world, callOf(step, config));
    const second = await performCall(world, callOf(step, config, { attempt: 2 }));
    const id = derivedId(ROOT_ID, `${ROOT_ID}/tell`);
    expect(first).toEqual({ ok: true, output: { notification_id: id }, compensation: null });
    expect(second).toEqual(first);
    expect(world.published[0]).toEqual({
      tenant: 'acme',
      mode: 'live',
      topic: 'notifications.inapp',
      key: id,
      id,
      trace: null,
      payload: {
        notification_id: id,
        channel: 'in_app',
        template: 'welcome',
        to: ['u-1'],
        data: { a: 1 },
        execution_id: EXECUTION_ID,
        step: 'tell',
        mode: 'live',
      },
    });
    expect(world.published[1]).toEqual(world.published[0]);
  });

  it.each([
    [{ channel: 'pigeon' }],
    [{ channel: 'toString' }],
    [{}],
    [{ channel: 'sms', template: 5 }],
    [{ channel: 'sms', cc: 'x' }],
    [null],
  ])('%j is InvalidConfig', async (config) => {
    expect(codeOf(await performCall(world, callOf(step, config as Json)))).toBe('InvalidConfig');
    expect(world.published).toEqual([]);
  });
});
