/**
 * Ours as a contender: the accept path and the engine as the platform wires them, with row-level
 * security, projections and the outbox. Steps are connector steps, so each result is
 * recorded before the next starts; what would call out answers at once instead.
 */
import { migrate } from '#adapters/postgres/migrate.ts';
import { chainOf } from '#test/support/platform.ts';
import { openOurs } from './ours.ts';
import { measureAll, readTask } from './shapes.ts';

const task = readTask();
await migrate(task.postgresUrl);
const { platform, submit } = openOurs(task.postgresUrl, chainOf(task.steps));
await platform.engine.start();
await measureAll(task, { storePid: task.postgresPid, submit });
await platform.close();
