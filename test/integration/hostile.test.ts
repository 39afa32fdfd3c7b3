import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTestDatabase, describeWithPostgres } from '#test/support/database.ts';
import { type PlatformWorld, startWorld } from './platform-world.ts';

/** What a tenant can do to itself must still come to an end, and be told apart. */
describeWithPostgres('hostile definitions, run to their end', () => {
  let world: PlatformWorld;
  let serial = 0;

  beforeAll(async () => {
    world = await startWorld((await createTestDatabase()).url);
  });
  afterAll(() => world?.stop());

  const workflow = (steps: object[], more: object = {}) =>
    ({ workflow_id: `hostile-${++serial}`, version: '1.0.0', ...more, steps }) as never;
  const one = { id: 'a', type: 'transform', config: { value: 1 } };

  for (const runtime of ['engine', 'step_functions'] as const) {
    it(`${runtime}: an input too large for a child fails its step, at once and for good`, async () => {
      const child = workflow([one]);
      const { workflow_id } = await world.client.createWorkflow({ body: child });
      const id = await world.execute(
        workflow([
          {
            id: 'start',
            type: 'sub_workflow',
            config: { workflow_id, input: { a: '{% $input.x %}', b: '{% $input.x %}' } },
          },
        ]),
        runtime,
        { x: 'y'.repeat(60_000) },
      );
      const execution = await world.finished(id);
      expect(execution).toMatchObject({
        status: 'FAILED',
        error: { code: 'CloudFlow.InvalidConfig', step: 'start' },
      });
      expect(execution.error?.message).toContain('at most 65536');
    });
  }
});
