import { resolve } from 'node:path';
import { createJsonLog } from '#adapters/local/json-log.ts';
import { readEgressPolicy } from '#config/egress.ts';
import { type DemoResult, runDemo } from '#local/demo.ts';
import { EmbeddedPostgresUnavailable } from '#local/embedded-postgres.ts';
import { FolderInUse } from '#local/folder-lock.ts';
import { type Platform, startPlatform } from '#local/platform.ts';
import { CliError } from '../cli-error.ts';
import { duration, type Terminal } from '../output/terminal.ts';

export interface DevOptions {
  readonly dataDir: string;
  readonly port: number;
  readonly fresh: boolean;
  readonly once: boolean;
  readonly example: boolean;
  readonly clock: 'real' | 'virtual';
}

/** `cloudflow dev`, which is `npm start`: the platform in this process, until it is told to stop. */
export async function dev(terminal: Terminal, options: DevOptions): Promise<boolean> {
  const folder = resolve(options.dataDir);
  const log = createJsonLog({
    write: (line) => terminal.err(`${line}\n`),
    level: 'warn',
    time: () => new Date().toISOString(),
  });
  if (options.once && !options.example) {
    throw new CliError('usage', '--once runs the example, and --no-example leaves it out: use one');
  }
  const begun = performance.now();
  // Heard from the first moment on: a start that is told to stop ends in order as well.
  const stopped = untilSignal();
  if (!terminal.json) terminal.out('starting PostgreSQL, the API and both runtimes ...\n');
  const platform = await startPlatform({
    folder,
    fresh: options.fresh,
    port: options.port,
    clock: options.clock,
    databaseUrl: process.env['DATABASE_URL'] ?? null,
    egress: readEgressPolicy(process.env),
    log,
    restartCommand: restartCommand(folder, options),
  }).catch((error: unknown) => {
    throw explained(error, options.port);
  });
  try {
    const results = await Promise.race([
      options.example ? runDemo(platform) : Promise.resolve([]),
      stopped.then(() => null),
    ]);
    if (results === null) return !options.once;
    const good = results.every(({ status }) => status === 'COMPLETED');
    report(terminal, platform, results, performance.now() - begun);
    if (options.once) return good;
    if (!terminal.json)
      terminal.out(`\n${terminal.style('dim', 'Ctrl-C stops it; state stays.')}\n`);
    await stopped;
    if (!terminal.json) terminal.out('\nstopping ...\n');
    return true;
  } finally {
    await platform.stop();
  }
}

function restartCommand(folder: string, { port, clock, example }: DevOptions): string {
  const rest = example ? '' : ' --no-example';
  return `npm start -- --data-dir ${folder} --port ${port} --clock ${clock}${rest}`;
}

/** What a user can mend about a start, in one sentence. */
function explained(error: unknown, port: number): unknown {
  if (error instanceof FolderInUse || error instanceof EmbeddedPostgresUnavailable) {
    return new CliError('usage', error.message);
  }
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (code === 'EADDRINUSE' && syscall === 'listen') {
    return new CliError('usage', `port ${port} is in use; stop who has it, or choose with --port`);
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
  results: readonly DemoResult[],
  tookMs: number,
): void {
  if (terminal.json) {
    const runtimes = results.map(({ runtime, status, output, durationMs }) => [
      runtime,
      { status, output, duration_ms: durationMs },
    ]);
    terminal.out(`${JSON.stringify(Object.fromEntries(runtimes))}\n`);
    return;
  }
  const bold = (text: string) => terminal.style('bold', text);
  terminal.out(`ready in ${duration(tookMs)}\n\n`);
  terminal.out(`  ${bold('API')}        ${platform.baseUrl}\n`);
  terminal.out(`  ${bold('OpenAPI')}    ${platform.baseUrl}/openapi.json\n`);
  terminal.out(`  ${bold('API key')}    ${platform.apiKey}\n`);
  terminal.out(`  ${bold('Postgres')}   ${new URL(platform.postgresUrl).host}\n`);
  terminal.out(`  ${bold('state')}      ${platform.state.path}\n\n`);
  if (results.length === 0) return;
  terminal.out(`${bold('customer-onboarding')}, once on each runtime:\n\n`);
  for (const result of results) {
    const sign =
      result.status === 'COMPLETED' ? terminal.style('green', '✓') : terminal.style('red', '✗');
    terminal.out(
      `  ${sign} ${result.runtime.padEnd(15)} ${result.status.padEnd(10)} ${duration(result.durationMs).padStart(8)}   ${JSON.stringify(result.output)}\n`,
    );
  }
  const [last] = results;
  if (last !== undefined) {
    terminal.out(`\n  npx cloudflow show ${last.executionId}\n`);
  }
}
