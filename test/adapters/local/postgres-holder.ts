/** Starts an embedded PostgreSQL, says where it is, and stays until it is killed. */
import { startEmbeddedPostgres } from '#local/embedded-postgres.ts';

const server = await startEmbeddedPostgres({ directory: process.argv[2] ?? '' });
process.stdout.write(`${JSON.stringify({ pid: server.pid, url: server.url })}\n`);
setInterval(() => undefined, 60_000);
