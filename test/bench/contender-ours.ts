/**
 * CloudFlow as `npm start` wires it: the accept path and the engine in one process, as roles under
 * row-level security, with projections and the outbox. Steps are connector steps, so each result is
 * recorded before the next starts; what would call out answers at once instead.
 */
import { migrate } from '#adapters/postgres/migrate.ts';
import { chainOf, createTestPlatform } from '#test/support/platform.ts';
import { Endings, measureAll, readTask } from './shapes.ts';

const task = readTask();
await migrate(task.postgresUrl);
const program = chainOf(task.steps);
const endings = new Endings();
const platform = createTestPlatform({
  url: task.postgresUrl,
  programs: [program],
  performer: {
    call: async ({ attempt }) => ({ ok: true, output: { attempt, ok: true }, compensation: null }),
    compensate: async () => ({ ok: true }),
  },
  decorateStore: (store) => ({
    ...store,
    async append(request) {
      const answer = await store.append(request);
      if (request.execution?.endedAt != null) endings.reached(request.executionId);
      return answer;
    },
  }),
});
await platform.engine.start();
await measureAll(task, {
  storePid: task.postgresPid,
  async submit() {
    const request = platform.request(program, { input: { key: 'value', n: 1 } });
    const ended = endings.expect(request.id);
    await platform.access.accept(request);
    return { ended };
  },
});
await platform.close();
