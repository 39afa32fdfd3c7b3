// BullMQ: a flow of chained jobs, each step a child of the next, on a Redis that syncs every write.
import { FlowProducer, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { Endings, measureAll, nextId, readTask, trivialStep } from '../shapes.ts';

const task = readTask();
const connect = () => new Redis({ host: '127.0.0.1', port: task.redis.port, maxRetriesPerRequest: null });
const QUEUE = 'chain';
const endings = new Endings();
const worker = new Worker(
  QUEUE,
  async (job) => {
    const before = job.data.step === 1 ? { total: 0 } : Object.values(await job.getChildrenValues())[0];
    return await trivialStep(job.data.step, before);
  },
  { connection: connect(), concurrency: 100 },
);
worker.on('completed', ({ data }) => {
  if (data.step === task.steps) endings.reached(data.id);
});
worker.on('error', (error) => console.error(error.message));
await worker.waitUntilReady();

const flows = new FlowProducer({ connection: connect() });
const flowOf = (id, step) => ({
  name: `step-${step}`,
  queueName: QUEUE,
  data: { id, step },
  ...(step === 1 ? {} : { children: [flowOf(id, step - 1)] }),
});
await measureAll(task, {
  storePid: task.redis.pid,
  async submit() {
    const id = nextId();
    const ended = endings.expect(id);
    await flows.add(flowOf(id, task.steps));
    return { ended };
  },
});
process.exit(0);
