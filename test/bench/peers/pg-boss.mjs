// pg-boss 10: one queue per step, whose handler inserts the next step's jobs with the results so far.
// Batches of 100, two workers a queue, woken in this process instead of by polls. Favours: the end is
// seen just before the last batch's completion commits, and one failed job would fail its batch.
import PgBoss from 'pg-boss';
import { Endings, measureAll, nextId, readTask, trivialStep } from '../shapes.ts';

const task = readTask();
const boss = new PgBoss({ connectionString: task.postgresUrl, max: 20 });
boss.on('error', (error) => console.error(error.message));
await boss.start();

const endings = new Endings();
const workers = new Map();
const nameOf = (step) => `step-${step}`;
const wake = (step) => {
  for (const worker of workers.get(step)) boss.notifyWorker(worker);
};
for (let step = 1; step <= task.steps; step++) {
  await boss.createQueue(nameOf(step));
  workers.set(step, []);
}
for (let step = 1; step <= task.steps; step++) {
  const handle = async (jobs) => {
    const results = await Promise.all(jobs.map(({ data }) => trivialStep(step, data.results.at(-1))));
    if (step === task.steps) {
      for (const { data } of jobs) endings.reached(data.id);
    } else {
      await boss.insert(
        jobs.map(({ data }, i) => ({
          name: nameOf(step + 1),
          data: { id: data.id, results: [...data.results, results[i]] },
        })),
      );
      wake(step + 1);
    }
    return results[0];
  };
  const options = { pollingIntervalSeconds: 0.5, batchSize: 100 };
  for (let i = 0; i < 2; i++) workers.get(step).push(await boss.work(nameOf(step), options, handle));
}
await measureAll(task, {
  storePid: task.postgresPid,
  async submit() {
    const id = nextId();
    const ended = endings.expect(id);
    await boss.send(nameOf(1), { id, results: [] });
    wake(1);
    return { ended };
  },
});
process.exit(0); // its maintenance keeps timers
