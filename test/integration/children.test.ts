import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { createTestDatabase, describeWithPostgres } from '#test/support/database.ts';
import { type PlatformWorld, startWorld, until } from './platform-world.ts';

describeWithPostgres('children that nobody waits for any more', () => {
  let world: PlatformWorld;
  let serial = 0;

  beforeAll(async () => {
    world = await startWorld((await createTestDatabase()).url);
  });
  afterAll(() => world?.stop());
  beforeEach(() => {
    world.hits.length = 0;
  });

  type Runtime = 'engine' | 'step_functions';
  const hold = (more: object = {}) => ({
    id: 'hold',
    type: 'wait',
    config: { duration: '2h' },
    ...more,
  });
  const call = (id: string) => ({
    id,
    type: 'http_request',
    config: { url: `${world.target}/${id}`, method: 'POST' },
    compensate: {
      type: 'http_request',
      config: { url: `${world.target}/undo-${id}`, method: 'POST' },
    },
  });
  const workflow = (steps: object[], more: object = {}) =>
    ({ workflow_id: `children-${++serial}`, version: '1.0.0', ...more, steps }) as never;
  const stored = async (steps: object[], more: object = {}): Promise<string> =>
    (await world.client.createWorkflow({ body: workflow(steps, more) })).workflow_id;
  const sub = (workflowId: string, more: object = {}, config: object = {}) => ({
    id: 'sub',
    type: 'sub_workflow',
    config: { workflow_id: workflowId, ...config },
    ...more,
  });
  /** The one execution of a workflow, once it has begun `step`. */
  const running = async (workflowId: string, step = 'hold'): Promise<string> => {
    let id = '';
    await until(`${workflowId} is at ${step}`, async () => {
      const { items } = await world.client.listHistory({ workflow_id: workflowId });
      id = items[0]?.id ?? '';
      if (id === '') return false;
      const steps = await world.client.listSteps({ execution_id: id });
      return steps.items.some((each) => each.step === step && each.status === 'EXECUTING');
    });
    return id;
  };
  const undone = () =>
    world.hits.map(({ path }) => path).filter((path) => path.startsWith('/undo-'));

  for (const runtime of ['engine', 'step_functions'] as const) {
    const other: Runtime = runtime === 'engine' ? 'step_functions' : 'engine';

    it(`${runtime}: a cancel with compensation goes down to grandchildren, and passes the detached by`, async () => {
      const grandchild = await stored([call('deep'), hold({ depends_on: ['deep'] })], { runtime });
      const child = await stored([call('near'), sub(grandchild, { depends_on: ['near'] })], {
        runtime: other,
      });
      const detached = await stored([hold()], { runtime: other });
      const parent = await world.execute(
        workflow([sub(child), { ...sub(detached, {}, { mode: 'detach' }), id: 'free' }]),
        runtime,
      );
      const ids = [await running(grandchild), await running(child, 'sub')];
      const free = await running(detached);
      await world.client.cancelExecution({ execution_id: parent, body: { compensate: true } });
      expect(await world.finished(parent)).toMatchObject({ status: 'CANCELLED' });
      for (const id of ids) {
        expect(await world.finished(id)).toMatchObject({
          status: 'CANCELLED',
          compensation: 'COMPLETE',
        });
      }
      expect(undone().sort()).toEqual(['/undo-deep', '/undo-near']);
      const events = await world.client.listEvents({ execution_id: ids[1] as string });
      expect(JSON.stringify(events.items)).toContain(`parent ${parent}`);
      expect((await world.client.getExecution({ execution_id: free })).status).toBe('RUNNING');
      await world.client.cancelExecution({ execution_id: free });
    });

    it(`${runtime}: without being asked to undo, each child does what its own on_cancel says`, async () => {
      const keeps = await stored([call('kept'), hold({ depends_on: ['kept'] })], {
        runtime: other,
      });
      const undoes = await stored([call('undone'), hold({ depends_on: ['undone'] })], {
        runtime: other,
        on_cancel: 'compensate',
      });
      const parent = await world.execute(
        workflow([
          { ...sub(keeps), id: 'one' },
          { ...sub(undoes), id: 'two' },
        ]),
        runtime,
      );
      const ids = [await running(keeps), await running(undoes)] as const;
      await world.client.cancelExecution({ execution_id: parent });
      expect(await world.finished(ids[0])).toMatchObject({
        status: 'CANCELLED',
        compensation: 'NONE',
      });
      expect(await world.finished(ids[1])).toMatchObject({
        status: 'CANCELLED',
        compensation: 'COMPLETE',
      });
      expect(undone()).toEqual(['/undo-undone']);
      expect((await world.finished(parent)).status).toBe('CANCELLED');
    });

    it(`${runtime}: the time limit of a workflow ends its child`, async () => {
      const child = await stored([hold()], { runtime: other });
      const parent = await world.execute(workflow([sub(child)], { timeout: '1h' }), runtime);
      const id = await running(child);
      await world.pass(3_601);
      expect(await world.finished(parent)).toMatchObject({
        status: 'FAILED',
        error: { code: 'CloudFlow.WorkflowTimeout' },
      });
      expect((await world.finished(id)).status).toBe('CANCELLED');
    });

    it(`${runtime}: the time limit of a step ends its child, and the parent goes on`, async () => {
      const child = await stored([hold()], { runtime: other });
      const parent = await world.execute(
        workflow([
          sub(child, { continue_on_failure: true }, { timeout: '1h' }),
          { ...call('after'), depends_on: ['sub'] },
        ]),
        runtime,
      );
      const id = await running(child);
      await world.pass(3_601);
      expect((await world.finished(parent)).status).toBe('COMPLETED');
      const steps = await world.client.listSteps({ execution_id: parent });
      expect(steps.items.find(({ step }) => step === 'sub')?.error?.code).toBe('CloudFlow.Timeout');
      expect((await world.finished(id)).status).toBe('CANCELLED');
      expect(world.hits.map(({ path }) => path)).toEqual(['/after']);
    });
  }
});
