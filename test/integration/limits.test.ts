import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JsonObject } from '#core/json.ts';
import { createTestDatabase, describeWithPostgres } from '#test/support/database.ts';
import { type PlatformWorld, startWorld, until } from './platform-world.ts';

const RUNTIMES = ['engine', 'step_functions'] as const;
const HOUR = 3_600;

/** What limits mean is the same wherever executions run: they are decided before a runtime has one. */
describeWithPostgres('limits on starts', () => {
  let world: PlatformWorld;
  let serial = 0;

  beforeAll(async () => {
    world = await startWorld((await createTestDatabase()).url);
  });
  afterAll(() => world?.stop());

  const stored = async (steps: object[], more: object = {}): Promise<string> => {
    const workflow_id = `limited-${++serial}`;
    const body = { workflow_id, version: '1.0.0', ...more, steps } as never;
    await world.client.createWorkflow({ body });
    return workflow_id;
  };
  const hour = (more: object = {}) => ({
    ...{ id: 'hour', type: 'wait', config: { duration: '1h' } },
    ...more,
  });
  const sub = (workflow_id: string, id: string, config: object = {}) => ({
    ...{ id, type: 'sub_workflow', config: { workflow_id, ...config } },
  });
  const begin = (workflow_id: string, input: JsonObject = {}) =>
    world.client.executeWorkflow({ workflow_id, body: { input } });
  const get = (execution_id: string) => world.client.getExecution({ execution_id });
  const is = (what: string, ids: readonly string[], status: string) =>
    until(`${what} ${ids.length} ${status}`, async () => {
      for (const id of ids) if ((await get(id)).status !== status) return false;
      return true;
    });
  const cancel = async (...ids: readonly string[]) => {
    for (const execution_id of ids) await world.client.cancelExecution({ execution_id });
    await is('cancelled:', ids, 'CANCELLED');
  };
  /** The executions of a workflow: by what waits for them, the newest first. */
  const executionsOf = async (workflow_id: string) => {
    const { items } = await world.client.listHistory({ workflow_id });
    return Promise.all(items.map(({ id }) => get(id)));
  };

  describe.each(RUNTIMES)('on %s', (runtime) => {
    it('so many run at once, and the next begin in the order in which they came', async () => {
      const workflow = await stored([hour()], { runtime, limits: { concurrency: 2 } });
      const started: Awaited<ReturnType<typeof begin>>[] = [];
      for (let i = 0; i < 5; i++) started.push(await begin(workflow));
      expect(started.map(({ held }) => held)).toEqual([false, false, true, true, true]);
      const ids = started.map(({ execution_id }) => execution_id);
      for (const [first, last] of [
        [0, 2],
        [2, 4],
        [4, 5],
      ] as const) {
        await is('in turn:', ids.slice(first, last), 'RUNNING');
        await is('behind:', ids.slice(last), 'PENDING');
        const places = (await Promise.all(ids.slice(last).map(get))).map(({ held }) => held);
        expect(places.map((held) => [held?.because, held?.place, held?.running])).toEqual(
          places.map((_, at) => ['workflow_concurrency', at + 1, 2]),
        );
        await world.pass(HOUR + 1);
        await is('ended:', ids.slice(first, last), 'COMPLETED');
      }
    });

    it('so many begin within a span, and no more', async () => {
      const workflow = await stored([hour()], {
        ...{ runtime, limits: { starts: { count: 2, per: '2h' } } },
      });
      const ids: string[] = [];
      for (let i = 0; i < 3; i++) ids.push((await begin(workflow)).execution_id);
      await is('within:', ids.slice(0, 2), 'RUNNING');
      await world.pass(HOUR + 1);
      await is('ended:', ids.slice(0, 2), 'COMPLETED');
      expect((await get(ids[2] as string)).held).toMatchObject({ because: 'workflow_starts' });
      await world.pass(HOUR);
      await is('after:', ids.slice(2), 'RUNNING');
      await cancel(...ids.slice(2));
    });

    it('a detached child and the retry of a child are starts as any other; one that is waited for is not', async () => {
      const limited = await stored([hour()], { runtime, limits: { concurrency: 1 } });
      const first = (await begin(limited)).execution_id;
      await is('first:', [first], 'RUNNING');
      const parents = await stored(
        [sub(limited, 'waits'), sub(limited, 'frees', { mode: 'detach' })],
        { runtime },
      );
      const parent = (await begin(parents)).execution_id;
      await until('both children', async () => (await executionsOf(limited)).length === 3);
      const all = await executionsOf(limited);
      const child = all.find((each) => each.parent !== null)?.id ?? '';
      const free = all.find(({ id }) => id !== child && id !== first)?.id ?? '';
      // It runs beside the one that has the only slot.
      await is('child:', [child], 'RUNNING');
      expect(await get(free)).toMatchObject({ status: 'PENDING', phase: 'queued' });
      expect(await world.client.getWorkflowLimits({ workflow_id: limited })).toMatchObject({
        ...{ running: 1, waiting: 1 },
      });
      await cancel(child);
      await is('parent:', [parent], 'FAILED');
      await world.pass(1); // of two that were accepted at the same moment either may be first
      const retried = await world.client.retryExecution({ execution_id: child, body: {} });
      const again = retried.execution_id ?? '';
      expect((await get(again)).held).toMatchObject({ because: 'workflow_concurrency', place: 2 });
      await cancel(first);
      await is('detached:', [free], 'RUNNING');
      await is('retry:', [again], 'PENDING');
      await cancel(free);
      await is('retry:', [again], 'RUNNING');
      await cancel(again);
    });

    it('what undoes by a child waits for no slot', async () => {
      const limited = await stored([hour({ when: '{% $input.hold = true %}' })], {
        ...{ runtime, limits: { concurrency: 1 } },
      });
      const first = (await begin(limited, { hold: true })).execution_id;
      await is('first:', [first], 'RUNNING');
      const undo = { type: 'sub_workflow', config: { workflow_id: limited, input: {} } };
      const parents = await stored(
        [
          { id: 'done', type: 'transform', config: { value: 1 }, compensate: undo },
          {
            ...{ id: 'stop', type: 'fail', depends_on: ['done'] },
            config: { error: 'Enough', message: 'enough' },
          },
        ],
        { runtime },
      );
      const parent = (await begin(parents)).execution_id;
      expect(await world.finished(parent)).toMatchObject({
        ...{ status: 'FAILED', compensation: 'COMPLETE' },
      });
      await cancel(first);
    });

    it('a pause holds a detached child, and lets one that is waited for begin', async () => {
      const paused = await stored([hour()], { runtime });
      await world.client.pauseWorkflow({ workflow_id: paused, body: {} });
      const parents = await stored(
        [sub(paused, 'waits'), sub(paused, 'frees', { mode: 'detach' })],
        {
          runtime,
        },
      );
      await begin(parents);
      await until('both children', async () => (await executionsOf(paused)).length === 2);
      const all = await executionsOf(paused);
      const child = all.find((each) => each.parent !== null)?.id ?? '';
      const free = all.find(({ id }) => id !== child)?.id ?? '';
      await is('child:', [child], 'RUNNING');
      expect((await get(free)).held).toMatchObject({ because: 'paused' });
      await world.client.resumeWorkflow({ workflow_id: paused });
      await is('detached:', [free], 'RUNNING');
      await cancel(child, free);
    });
  });
});
