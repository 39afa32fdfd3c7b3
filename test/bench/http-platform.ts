/** What `npm start` starts, without its demonstration: prints where it is, stops on SIGTERM. */
import { createJsonLog } from '#adapters/local/json-log.ts';
import { startPlatform } from '#local/platform.ts';

const platform = await startPlatform({
  folder: process.env['BENCH_FOLDER'] as string,
  fresh: true,
  port: 0,
  clock: 'real',
  databaseUrl: process.env['BENCH_DATABASE_URL'] as string,
  egress: { allow: new Set(), httpPorts: new Set([80, 443]) },
  log: createJsonLog({
    write: (line) => process.stderr.write(line),
    level: 'warn',
    time: () => new Date().toISOString(),
  }),
  requestsPerMinute: 1_000_000_000,
  redisUrl: null,
  restartCommand: 'none',
});
process.once('SIGTERM', () => void platform.stop().then(() => process.exit(0)));
console.log(JSON.stringify({ baseUrl: platform.baseUrl, apiKey: platform.apiKey }));
