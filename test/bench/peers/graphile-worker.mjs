// graphile-worker: each step's job adds the next one's with the results so far. Finished jobs are
// deleted, so neither a history nor a result stays.
import { EventEmitter } from 'node:events';
import { Logger, run } from 'graphile-worker';
import { Endings, measureAll, nextId, readTask, trivialStep } from '../shapes.ts';

const task = readTask();
const endings = new Endings();
const events = new EventEmitter().setMaxListeners(0);
events.on('job:complete', ({ job }) => {
  if (job.payload.results.length === task.steps - 1) endings.reached(job.payload.id);
});
const runner = await run({
  preset: {
    worker: {
      connectionString: task.postgresUrl,
      concurrentJobs: 24,
      maxPoolSize: 20,
      pollInterval: 1_000,
      completeJobBatchDelay: 0,
      failJobBatchDelay: 0,
      localQueue: { size: 100 },
    },
  },
  taskList: {
    step: async ({ id, results }, { addJob }) => {
      const step = results.length + 1;
      const result = await trivialStep(step, results.at(-1));
      if (step < task.steps) await addJob('step', { id, results: [...results, result] });
    },
  },
  events,
  noHandleSignals: true,
  logger: new Logger(() => () => {}),
});
await measureAll(task, {
  storePid: task.postgresPid,
  async submit() {
    const id = nextId();
    const ended = endings.expect(id);
    await runner.addJob('step', { id, results: [] });
    return { ended };
  },
});
await runner.stop();
process.exit(0);
