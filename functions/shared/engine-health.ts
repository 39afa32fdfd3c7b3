import { createServer, type Server } from 'node:http';
import type { Engine } from '#engine/engine.ts';

/**
 * What an engine's process answers about itself, on a port that only its own task or machine reaches.
 *
 *  - `/healthz`: it lives. Without a lease nothing runs here, and a restart would cure neither that nor the
 *    database; so this does not ask for one.
 *  - `/readyz`: it takes work: it holds a lease, which needs the database, and is not ending (503 else).
 */
export function createEngineHealth(engine: Pick<Engine, 'stats'>): Server {
  return createServer((request, response) => {
    const { owner, active, callsRunning, takesWork } = engine.stats;
    const answer = (status: number, body: object): void => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(body));
    };
    if (request.url === '/healthz') answer(200, { status: 'ok', owner, active, callsRunning });
    else if (request.url !== '/readyz') answer(404, {});
    else answer(takesWork ? 200 : 503, { status: takesWork ? 'ready' : 'not ready', owner });
  });
}

/** Stops listening, and ends connections that are kept open. */
export async function closeHealth(health: Server): Promise<void> {
  await new Promise((resolve) => {
    health.close(resolve);
    health.closeAllConnections();
  });
}
