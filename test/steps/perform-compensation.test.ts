import { beforeEach, describe, expect, it } from 'vitest';
import { performCompensation } from '#steps/perform-compensation.ts';
import { createWorld, EXECUTION_ID, http, ROOT_ID, stepOf, undoOf, type World } from './support.ts';

let world: World;
beforeEach(() => {
  world = createWorld();
});
const ship = stepOf({ id: 'ship', type: 'http_request', config: { url: 'https://a.example/' } });
const TARGET = 'https://api.example/x';

describe('compensation', () => {
  it('calls under a key of its own, the same for all attempts', async () => {
    const record = {
      type: 'http_request',
      config: { url: TARGET, method: 'DELETE', timeout: '5s' },
    } as const;
    for (const attempt of [1, 2])
      expect(await performCompensation(world, undoOf(ship, record, { attempt }))).toEqual({
        ok: true,
      });
    expect(world.requests.map((each) => each.headers['idempotency-key'])).toEqual(
      Array(2).fill(`${ROOT_ID}/ship/compensate`),
    );
    world.answer = () => http(503, '');
    expect(await performCompensation(world, undoOf(ship, record))).toMatchObject({
      ok: false,
      error: { code: 'CloudFlow.ServerError' },
    });
  });

  it('by a child waits for its end', async () => {
    const record = {
      type: 'sub_workflow',
      config: { workflow_id: 'undo', input: { a: 1 } },
    } as const;
    const undo = () => performCompensation(world, undoOf(ship, record));
    expect(await undo()).toEqual({ ok: true });
    expect(world.children.started[0]).toEqual({
      tenant: 'acme',
      mode: 'live',
      parentId: EXECUTION_ID,
      step: 'ship',
      purpose: 'compensation',
      workflowId: 'undo',
      version: null,
      input: { a: 1 },
      detach: false,
    });
    world.endOfChild = { status: 'FAILED', error: { code: 'Mine', message: 'm' } };
    expect(await undo()).toEqual({ ok: false, error: { code: 'Mine', message: 'm' } });
    world.endOfChild = { status: 'CANCELLED', error: null };
    expect(await undo()).toMatchObject({
      ok: false,
      error: { code: 'CloudFlow.SubWorkflowFailed' },
    });
    world.endOfChild = null;
    expect(await undo()).toMatchObject({ ok: false, error: { code: 'CloudFlow.Timeout' } });
    world.answerChild = {
      kind: 'refused',
      error: { code: 'CloudFlow.QuotaExceeded', message: 'q' },
    };
    expect(await undo()).toEqual({
      ok: false,
      error: { code: 'CloudFlow.QuotaExceeded', message: 'q' },
    });
    world.answerChild = { kind: 'started', executionId: 'c' };
    expect(
      await performCompensation(
        world,
        undoOf(ship, { type: 'sub_workflow', config: { workflow_id: 'No Such' } }),
      ),
    ).toMatchObject({
      ok: false,
      error: { code: 'CloudFlow.InvalidConfig' },
    });
  });
});
