/** Our engine and its accept path over a database, with steps that do nothing and ends that can be waited for. */
import type { Program } from '#core/plan/program.ts';
import type { StepPerformer } from '#engine/deps.ts';
import { createTestPlatform, type TestPlatform } from '#test/support/platform.ts';
import { Endings } from './shapes.ts';

export interface Ours {
  readonly platform: TestPlatform;
  readonly submit: () => Promise<{ readonly id: string; readonly ended: Promise<unknown> }>;
}

/** Steps whose call answers at once, so that what is measured is the machinery around it. */
export const IDLE: StepPerformer = {
  call: async ({ attempt }) => ({ ok: true, output: { attempt, ok: true }, compensation: null }),
  compensate: async () => ({ ok: true }),
};

export function openOurs(url: string, program: Program, performer: StepPerformer = IDLE): Ours {
  const endings = new Endings();
  const platform = createTestPlatform({
    ...{ url, programs: [program], performer },
    decorateStore: (store) => ({
      ...store,
      async append(request) {
        const answer = await store.append(request);
        if (request.execution?.endedAt != null) endings.reached(request.executionId);
        return answer;
      },
    }),
  });
  return {
    platform,
    async submit() {
      const request = platform.request(program, { input: { key: 'value', n: 1 } });
      const ended = endings.expect(request.id);
      await platform.access.accept(request);
      return { id: request.id, ended };
    },
  };
}
