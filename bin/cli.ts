#!/usr/bin/env node
import { Command, InvalidArgumentError, Option } from 'commander';
import { CloudFlowError } from '#core/errors.ts';
import { CliError, EXIT } from './cli-error.ts';
import { createTerminal, type Terminal } from './output/terminal.ts';
import { openSession, type SessionOptions } from './session.ts';

// Commands are loaded when they are asked for: `cloudflow --help` and offline commands must not pay
// for the platform (a database driver, an HTTP client, the engine).

interface GlobalOptions extends SessionOptions {
  readonly json: boolean;
}

const program = new Command('cloudflow')
  .description('Workflows on two runtimes: check, run, watch and operate them.')
  .option('--json', 'print one JSON document instead of text', false)
  .option('--url <url>', 'the platform (default: CLOUDFLOW_URL, or the local stack)')
  .option('--api-key <key>', 'the API key (default: CLOUDFLOW_API_KEY, or the local stack)')
  .option('--data-dir <dir>', "the local stack's folder", '.cloudflow')
  .showHelpAfterError('(cloudflow --help lists the commands)')
  .configureHelp({ showGlobalOptions: true })
  .exitOverride();

const runtime = () =>
  new Option('--runtime <runtime>', 'overrides the definition').choices([
    'auto',
    'engine',
    'step_functions',
  ]);

/** Wraps an action: terminal and options in, exit status out. */
function action(
  run: (
    terminal: Terminal,
    options: GlobalOptions,
    args: readonly string[],
    own: never,
  ) => Promise<unknown>,
): (...args: unknown[]) => Promise<void> {
  return async (...args) => {
    const command = args.at(-1) as Command;
    const own = args.at(-2) as never;
    const options = command.optsWithGlobals<GlobalOptions>();
    const good = await run(
      createTerminal({ json: options.json }),
      options,
      args.slice(0, -2) as string[],
      own,
    );
    if (good === false) process.exitCode = EXIT.failed;
  };
}

program
  .command('dev')
  .description('start the platform in this process: API, both runtimes, PostgreSQL')
  .option('--port <port>', 'where the API listens', integer(0, 65_535), 7411)
  .option('--fresh', 'begin with an empty state', false)
  .option('--once', 'run the example on both runtimes, print the result and exit', false)
  .option('--no-example', 'start without running the example')
  .addOption(
    new Option('--clock <clock>', 'whether time passes by itself')
      .choices(['real', 'virtual'])
      .default('real'),
  )
  .action(
    action(
      async (
        terminal,
        options,
        _,
        own: {
          port: number;
          fresh: boolean;
          once: boolean;
          example: boolean;
          clock: 'real' | 'virtual';
        },
      ) => {
        const { dev } = await import('./commands/dev.ts');
        return dev(terminal, { ...own, dataDir: options.dataDir });
      },
    ),
  );

program
  .command('validate <files...>')
  .description('check definitions: every problem with line and column')
  .option('--strict', 'warnings fail too', false)
  .action(
    action(async (terminal, _, [files], own: { strict: boolean }) => {
      const { validate } = await import('./commands/definition.ts');
      return validate(terminal, files as unknown as string[], own);
    }),
  );

program
  .command('plan <file>')
  .description('how a definition will run, what it costs, and why')
  .action(
    action(async (terminal, _, [file]) => {
      const { plan } = await import('./commands/definition.ts');
      return plan(terminal, file as string);
    }),
  );

program
  .command('compile <file>')
  .description('print the Amazon States Language of a definition')
  .option('--step-runner <arn>', 'the function that performs steps')
  .action(
    action(async (terminal, _, [file], own: { stepRunner?: string }) => {
      const { compile } = await import('./commands/definition.ts');
      return compile(terminal, file as string, own);
    }),
  );

program
  .command('graph <file>')
  .description('draw a definition: text in a terminal, SVG in a file')
  .option('--svg <out>', 'write an SVG picture to this file (- for stdout)')
  .action(
    action(async (terminal, _, [file], own: { svg?: string }) => {
      const { graph } = await import('./commands/definition.ts');
      return graph(terminal, file as string, own);
    }),
  );

program
  .command('run <file>')
  .description('store a definition, start it and follow it to its end')
  .option('--input <json>', 'a file, - for stdin, or JSON')
  .addOption(runtime())
  .option('--label <name:value>', 'label of the execution; may be repeated', collect)
  .option('--detach', 'print the execution id and leave', false)
  .action(
    action(async (terminal, options, [file], own: object) => {
      const { run } = await import('./commands/run.ts');
      return run(terminal, openSession(options), file as string, own);
    }),
  );

program
  .command('executions')
  .description('list executions, newest first')
  .addOption(
    new Option('--status <status>').choices([
      'PENDING',
      'RUNNING',
      'COMPLETED',
      'FAILED',
      'CANCELLED',
    ]),
  )
  .option('--workflow <id>')
  .option('--label <name:value>', 'may be repeated', collect)
  .option('--text <words>', 'search')
  .option('--limit <n>', 'how many', integer(1, 200), 20)
  .action(
    action(async (terminal, options, _, own: { limit: number }) => {
      const { list } = await import('./commands/executions.ts');
      return list(terminal, openSession(options), own);
    }),
  );

program
  .command('show <execution>')
  .description('timeline of an execution, and why it waits')
  .action(
    action(async (terminal, options, [id]) => {
      const { show } = await import('./commands/executions.ts');
      return show(terminal, openSession(options), id as string);
    }),
  );

program
  .command('cancel <execution>')
  .description('cancel an execution')
  .option('--compensate', 'undo what was done')
  .option('--no-compensate', 'leave what was done')
  .option('--reason <text>')
  .action(
    action(async (terminal, options, [id], own: { compensate?: boolean; reason?: string }) => {
      const { cancel } = await import('./commands/executions.ts');
      return cancel(terminal, openSession(options), id as string, own);
    }),
  );

for (const name of ['pause', 'resume'] as const) {
  program
    .command(`${name} <execution>`)
    .description(`${name} an execution`)
    .action(
      action(async (terminal, options, [id]) => {
        const commands = await import('./commands/executions.ts');
        return commands[name](terminal, openSession(options), id as string);
      }),
    );
}

program
  .command('retry <execution>')
  .description('run a finished execution again from its failed steps')
  .option('--input <json>', 'another input: a file, - for stdin, or JSON')
  .option('--version <version>', 'a newer compatible version')
  .addOption(runtime())
  .option('--dry-run', 'only show what would happen', false)
  .action(
    action(async (terminal, options, [id], own: object) => {
      const { retry } = await import('./commands/executions.ts');
      return retry(terminal, openSession(options), id as string, own);
    }),
  );

program
  .command('approve [approval]')
  .description('answer an approval; without one, list those that wait')
  .option('--reject', 'reject instead', false)
  .option('--comment <text>')
  .action(
    action(async (terminal, options, [id], own: { reject: boolean; comment?: string }) => {
      const { answer, approvals } = await import('./commands/executions.ts');
      const client = openSession(options);
      return id === undefined ? approvals(terminal, client) : answer(terminal, client, id, own);
    }),
  );

program
  .command('asl')
  .description('work with Amazon States Language')
  .command('run <machine>')
  .description('run a machine file by itself and print its execution history')
  .option('--input <json>', 'a file, - for stdin, or JSON')
  .option('--tasks <file>', 'results of its tasks')
  .action(
    action(async (terminal, _, [machine], own: { input?: string; tasks?: string }) => {
      const { runMachine } = await import('./commands/asl.ts');
      return runMachine(terminal, machine as string, own);
    }),
  );

function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

function integer(low: number, high: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < low || value > high) {
      throw new InvalidArgumentError(`given ${text}, allowed ${low} to ${high}`);
    }
    return value;
  };
}

/** One sentence for what a user can mend; a stack trace only for what is our own mistake. */
function explain(error: unknown): number {
  const terminal = createTerminal({ json: process.argv.includes('--json') });
  const fail = (text: string) => terminal.err(`${terminal.style('red', 'error')}  ${text}\n`);
  if (error instanceof CliError) {
    fail(error.message);
    return EXIT[error.exit];
  }
  if (error instanceof CloudFlowError) {
    const id = error.details['request_id'];
    fail(`${error.code}: ${error.message}${typeof id === 'string' ? ` (request ${id})` : ''}`);
    for (const problem of error.problems) {
      terminal.err(`  ${problem.pointer || '/'}  ${problem.code}  ${problem.message}\n`);
    }
    return EXIT.refused;
  }
  if (error instanceof Error && 'exitCode' in error && 'code' in error) {
    // commander has printed its own words already; asking for help is no mistake
    return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  }
  fail(error instanceof Error ? (error.stack ?? error.message) : String(error));
  return EXIT.failed;
}

// A reader that stops reading (`| head`) ends us quietly, as it does every Unix tool.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(EXIT.ok);
  throw error;
});

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = explain(error);
}
