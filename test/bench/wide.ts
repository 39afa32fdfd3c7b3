// What one task of a long execution costs: a for_each of N calls on each runtime.
// `node test/bench/wide.ts [items,items,...] [engine,step_functions] [statements]`

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { createSilentLog } from '#adapters/local/json-log.ts';
import { createClient } from '#client/client.ts';
import { isFinal } from '#core/execution/events.ts';
import { startPlatform } from '#local/platform.ts';
import { cpuSecondsOf } from './machine.ts';
import { dearestStatements, STATEMENT_SETTINGS, startStores } from './stores.ts';

const sizes = (process.argv[2] ?? '75,150,300,600,1000').split(',').map(Number);
const runtimes = (process.argv[3] ?? 'engine,step_functions').split(',') as (
  | 'engine'
  | 'step_functions'
)[];

const target = createServer((_, response) => response.end('{"ok":true}'));
await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve));
const { port } = target.address() as AddressInfo;
const statements = process.argv[4] === 'statements';
const stores = await startStores(statements ? STATEMENT_SETTINGS : {});
const databaseUrl = await stores.createDatabase();
const platform = await startPlatform({
  folder: join(stores.directory, 'platform'),
  fresh: true,
  port: 0,
  clock: 'real',
  databaseUrl,
  egress: { allow: new Set([`127.0.0.1:${port}`]), httpPorts: new Set([80, 443]) },
  log: createSilentLog(),
  requestsPerMinute: 1_000_000_000,
  redisUrl: null,
  restartCommand: 'none',
});
try {
  const client = createClient({ baseUrl: platform.baseUrl, credential: platform.apiKey });
  const definition = {
    workflow_id: 'wide',
    version: '1.0.0',
    output: null,
    steps: [
      {
        id: 'each',
        type: 'for_each',
        config: {
          items: '{% $input.items %}',
          max_items: 1_000,
          concurrency: 40,
          steps: [
            {
              id: 'call',
              type: 'http_request',
              max_output_bytes: 16,
              result: '{% $result.status %}',
              config: { url: `http://127.0.0.1:${port}/{% $index %}` },
            },
          ],
        },
      },
    ],
  };
  const { workflow_id, version } = await client.createWorkflow({ body: definition });

  async function run(count: number, runtime: 'engine' | 'step_functions') {
    const input = { items: Array.from({ length: count }, (_, i) => i) };
    const cpu = cpuSecondsOf(process.pid);
    const from = performance.now();
    const { execution_id } = await client.executeWorkflow({
      workflow_id,
      body: { version, runtime, input },
    });
    for (;;) {
      const { status } = await client.getExecution({ execution_id });
      if (isFinal(status)) {
        if (status !== 'COMPLETED') throw new Error(`it ended ${status}`);
        break;
      }
      await pause(200);
    }
    const seconds = (performance.now() - from) / 1_000;
    return { seconds, node: cpuSecondsOf(process.pid) - cpu };
  }

  await run(75, 'step_functions'); // code warms up
  if (statements) await dearestStatements(databaseUrl, 1); // begins to count
  console.log('runtime         items   seconds   ms per task   CPU ms per task (Node)');
  for (const runtime of runtimes) {
    for (const size of sizes) {
      const { seconds, node } = await run(size, runtime);
      const cells = [
        String(size).padStart(5),
        seconds.toFixed(2).padStart(9),
        ((seconds * 1_000) / size).toFixed(2).padStart(13),
        ((node * 1_000) / size).toFixed(2).padStart(24),
      ];
      console.log(`${runtime.padEnd(15)} ${cells.join(' ')}`);
    }
  }
  if (statements) for (const line of await dearestStatements(databaseUrl, 16)) console.log(line);
} finally {
  await platform.stop();
  await stores.close();
  await new Promise<void>((resolve) => target.close(() => resolve()));
}
