import { join, resolve } from 'node:path';
import { createJsonLog } from '#adapters/local/json-log.ts';
import { KeyFileUnusable } from '#adapters/local/key-file.ts';
import { MigrationChanged } from '#adapters/postgres/migrate.ts';
import { readEgressPolicy } from '#config/egress.ts';
import { type DemoResult, openDemo } from '#local/demo.ts';
import { EmbeddedPostgresUnavailable } from '#local/embedded-postgres.ts';
import { FolderInUse } from '#local/folder-lock.ts';
import { checkPort } from '#local/http-server.ts';
import { type Platform, startPlatform } from '#local/platform.ts';
import { FolderUnusable, StateDamaged } from '#local/state-folder.ts';
import { CliError } from '../cli-error.ts';
import type { Terminal } from '../output/terminal.ts';
import { cutTo, duration, jsonText, printable } from '../output/text.ts';

export interface DevOptions {
  readonly dataDir: string;
  readonly port: number;
  readonly fresh?: boolean;
  readonly once?: boolean;
  readonly example: boolean;
  readonly clock: 'real' | 'virtual';
  readonly engines: number;
  readonly kafka?: string;
}

/** `cloudflow dev`, which is `npm start`: the platform in this process, until it is told to stop. */
export async function dev(terminal: Terminal, options: DevOptions): Promise<boolean> {
  const folder = resolve(options.dataDir);
  const log = createJsonLog({
    write: (line) => terminal.err(line),
    level: 'warn',
    time: () => new Date().toISOString(),
  });
  if (options.once && !options.example) {
    throw new CliError(
      'usage',
      'USAGE',
      '--once runs the example, and --no-example leaves it out: use one',
    );
  }
  if (options.engines > 0 && options.clock === 'virtual') {
    throw new CliError('usage', 'USAGE', 'a virtual clock is of one process: leave --engines out');
  }
  const begun = performance.now();
  // Heard from the first moment on: a start that is told to stop ends in order as well.
  const stopped = untilSignal();
  if (!terminal.json) terminal.out('starting PostgreSQL, the API and both runtimes ...\n');
  await checkPort(options.port).catch((error: unknown) => {
    throw explained(error, options.port);
  });
  const platform = await startPlatform({
    folder,
    fresh: options.fresh === true,
    port: options.port,
    clock: options.clock,
    engines: options.engines,
    databaseUrl: process.env['DATABASE_URL'] ?? null,
    egress: readEgressPolicy(process.env),
    requestsPerMinute: readRequestsPerMinute(process.env['REQUESTS_PER_MINUTE']),
    redisUrl: process.env['REDIS_URL'] ?? null,
    kafkaBrokers: brokersOf(options.kafka ?? process.env['KAFKA_BROKERS'] ?? ''),
    log,
    traces: process.env['AWS_XRAY_DAEMON_ADDRESS'],
    restartCommand: restartCommand(folder, options),
  }).catch((error: unknown) => {
    throw explained(error, options.port);
  });
  const demo = options.example ? await openDemo(platform) : null;
  try {
    const results = await Promise.race([demo?.run() ?? [], stopped.then(() => null)]);
    if (results === null) return options.once !== true;
    const good = results.every(({ status }) => status === 'COMPLETED');
    report(terminal, platform, options, results, performance.now() - begun);
    if (options.once) return good;
    if (!terminal.json) {
      terminal.out(`\n${terminal.style('dim', 'Ctrl-C stops it; its state stays.')}\n`);
    }
    await Promise.race([stopped, platform.databaseLost.then(databaseLost)]);
    if (!terminal.json) terminal.out('\nstopping ...\n');
    return true;
  } finally {
    await demo?.close();
    await platform.stop();
  }
}

/** As good as none: whoever starts it is whoever calls. */
const DEFAULT_REQUESTS_PER_MINUTE = 1_000_000;

function readRequestsPerMinute(text: string | undefined): number {
  if (text === undefined || text === '') return DEFAULT_REQUESTS_PER_MINUTE;
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new CliError(
    'usage',
    'USAGE',
    `REQUESTS_PER_MINUTE is ${JSON.stringify(text.slice(0, 64))}; use 1 to 999999999`,
  );
}

/** Undefined: none are named, so events stay in PostgreSQL. */
function brokersOf(text: string): readonly string[] | undefined {
  if (text === '') return undefined;
  const brokers = text.split(',').map((each) => each.trim());
  const wrong = brokers.find((each) => !/^[\w.-]+:\d{1,5}$/.test(each));
  if (wrong !== undefined) {
    throw new CliError(
      'usage',
      'USAGE',
      `'${printable(wrong)}' is no broker of Kafka; give host:port, with commas between them`,
    );
  }
  return brokers;
}

function databaseLost(): never {
  throw new CliError(
    'refused',
    'DATABASE_LOST',
    'PostgreSQL ended by itself; what was acknowledged is kept: start again',
  );
}

function restartCommand(
  folder: string,
  { port, clock, example, engines, kafka }: DevOptions,
): string {
  const rest = [
    engines === 0 ? '' : ` --engines ${engines}`,
    kafka === undefined ? '' : ` --kafka ${kafka}`,
    example ? '' : ' --no-example',
  ].join('');
  return `npm start -- --data-dir ${folder} --port ${port} --clock ${clock}${rest}`;
}

/** What a user can mend about a start, in one sentence. */
function explained(error: unknown, port: number): unknown {
  if (error instanceof FolderInUse) return new CliError('usage', 'FOLDER_IN_USE', error.message);
  if (
    error instanceof FolderUnusable ||
    error instanceof StateDamaged ||
    error instanceof KeyFileUnusable
  ) {
    return new CliError('usage', 'FOLDER_UNUSABLE', error.message);
  }
  if (error instanceof EmbeddedPostgresUnavailable) {
    return new CliError('usage', 'UNAVAILABLE', error.message);
  }
  if (error instanceof MigrationChanged) {
    return new CliError('usage', 'STATE_INCOMPATIBLE', `${error.message}; --fresh begins anew`);
  }
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (code === 'EADDRINUSE' && syscall === 'listen') {
    return new CliError(
      'usage',
      'PORT_IN_USE',
      `port ${port} is in use; stop who has it, or choose another with --port`,
    );
  }
  if (code === 'EACCES' && syscall === 'listen') {
    return new CliError(
      'usage',
      'PORT_IN_USE',
      `port ${port} may not be used by this user; choose one from 1024 with --port`,
    );
  }
  return error;
}

/** The first Ctrl-C stops in order; a second one ends at once, which loses nothing either. */
function untilSignal(): Promise<void> {
  return new Promise((resolve) => {
    const stop = () => {
      for (const signal of ['SIGINT', 'SIGTERM'] as const) {
        process.off(signal, stop);
        process.once(signal, () => process.exit(130));
      }
      resolve();
    };
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop);
  });
}

function report(
  terminal: Terminal,
  platform: Platform,
  options: DevOptions,
  results: readonly DemoResult[],
  tookMs: number,
): void {
  if (terminal.json) {
    terminal.document(
      Object.fromEntries(
        results.map(({ runtime, status, output, durationMs }) => [
          runtime,
          { status, output, duration_ms: durationMs },
        ]),
      ),
    );
    return;
  }
  const bold = (text: string) => terminal.style('bold', text);
  const fact = (name: string, text: string) => `  ${bold(name.padEnd(10))} ${text}\n`;
  terminal.out(`ready in ${duration(tookMs)}\n\n`);
  terminal.out(fact('API', `${platform.baseUrl}  (open it in a browser)`));
  terminal.out(fact('OpenAPI', `${platform.baseUrl}/openapi.json`));
  terminal.out(fact('API key', platform.apiKey));
  const { email, password, tenant } = platform.admin;
  terminal.out(fact('sign in', `${email} of tenant ${tenant}, password ${password}`));
  terminal.out(fact('Postgres', new URL(platform.postgresUrl).host));
  if (platform.kafkaBrokers !== null) {
    terminal.out(fact('Kafka', printable(platform.kafkaBrokers.join(', '))));
  }
  terminal.out(fact('state', printable(platform.state.path)));
  terminal.out(fact('mail', printable(join(platform.state.path, 'mail'))));
  if (results.length === 0) return;
  terminal.out(`\n${bold('customer-onboarding')}, once on each runtime:\n\n`);
  for (const { runtime, status, durationMs, output } of results) {
    const good = status === 'COMPLETED';
    const sign = terminal.style(good ? 'green' : 'red', good ? '✓' : '✗');
    const took = duration(durationMs).padStart(8);
    terminal.out(`  ${sign} ${runtime.padEnd(15)} ${status.padEnd(10)} ${took}\n`);
    terminal.out(`    ${terminal.style('dim', cutTo(jsonText(output), terminal.width - 4))}\n`);
  }
  const shown = results.find(({ status }) => status !== 'COMPLETED') ?? results[0];
  if (options.once || shown === undefined) return;
  // The commands look for the stack in the default folder, wherever they are started.
  const rest = options.dataDir === '.cloudflow' ? '' : ` --data-dir ${printable(options.dataDir)}`;
  terminal.out(`\n${bold('now try')}, in another terminal:\n\n`);
  terminal.out(`  npx cloudflow show ${shown.executionId}${rest}\n`);
  terminal.out(
    `  npx cloudflow run statemachines/examples/onboarding-demo.json --input statemachines/examples/inputs/onboarding-demo.json${rest}\n`,
  );
}
