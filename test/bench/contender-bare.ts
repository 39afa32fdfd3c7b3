/** The bare loop of `bare-loop.ts`: what ours is a fraction of. */
import { migrate } from '#adapters/postgres/migrate.ts';
import { createBareLoop } from './bare-loop.ts';
import { measureAll, readTask } from './shapes.ts';

const task = readTask();
await migrate(task.postgresUrl);
const loop = await createBareLoop(task.postgresUrl, task.steps);
await measureAll(task, { storePid: task.postgresPid, submit: loop.submit });
await loop.close();
