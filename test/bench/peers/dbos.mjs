// DBOS Transact: workflows started in the process that runs them, which is its quickest way.
import { DBOS } from '@dbos-inc/dbos-sdk';
import { measureAll, nextId, readTask, trivialStep } from '../shapes.ts';

const task = readTask();
const quietly = () => {};
DBOS.setConfig({
  name: 'peer',
  systemDatabaseUrl: task.postgresUrl,
  systemDatabasePoolSize: 20,
  logger: { info: quietly, debug: quietly, warn: quietly, error: console.error },
});
const chain = DBOS.registerWorkflow(
  async (input) => {
    let last = input;
    for (let step = 1; step <= task.steps; step++) {
      const given = last;
      last = await DBOS.runStep(() => trivialStep(step, given), { name: `step-${step}` });
    }
    return last;
  },
  { name: 'chain' },
);
await DBOS.launch();
await measureAll(task, {
  storePid: task.postgresPid,
  async submit() {
    const handle = await DBOS.startWorkflow(chain, { workflowID: nextId() })({ total: 0 });
    return { ended: handle.getResult() };
  },
});
await DBOS.shutdown();
process.exit(0); // its pools keep timers
