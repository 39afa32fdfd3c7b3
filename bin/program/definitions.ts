import { EXAMPLE_PER_DAY } from '#core/cost/runtimes.ts';
import { openSession } from '../session.ts';
import type { Cli } from './cli.ts';
import { execution, integer, option } from './words.ts';

/** What needs no platform: one on this laptop, and definitions checked, planned, compiled and drawn. */
export function definitions({ program, terminal, add }: Cli): void {
  program.commandsGroup('On this laptop:');

  add<Omit<import('../commands/dev.ts').DevOptions, 'dataDir'>>(
    program,
    'dev',
    'start the platform in this process: API, both runtimes, PostgreSQL',
    ['cloudflow dev', 'cloudflow dev --port 0 --data-dir /tmp/try --once'],
    [
      option('--port <port>', 'where the API listens; 0: any free port')
        .argParser(integer(0, 65_535))
        .default(7411),
      option('--fresh', 'begin with an empty state'),
      option('--once', 'run the example on both runtimes, print the result and exit'),
      option('--no-example', 'start without running the example'),
      option('--engines <n>', 'engines in processes of their own; 0: one in this process')
        .argParser(integer(0, 16))
        .default(0),
      option('--clock <clock>', 'whether time passes by itself')
        .choices(['real', 'virtual'])
        .default('real'),
      option(
        '--kafka <brokers>',
        'brokers that events go to, host:port with commas between them; default: KAFKA_BROKERS, else PostgreSQL',
      ),
    ],
    async (_, own, { dataDir }) => {
      const { dev } = await import('../commands/dev.ts');
      return dev(terminal, { ...own, dataDir });
    },
  );

  add<{ strict?: true }>(
    program,
    'validate <files...>',
    'check definitions: every problem with line and column',
    ['cloudflow validate workflow.json', 'cloudflow validate --strict workflows/*.json'],
    [option('--strict', 'warnings fail too')],
    async ([files], own) => {
      const { validate } = await import('../commands/definition.ts');
      return validate(terminal, files as unknown as string[], own);
    },
  );

  add<{ perDay: number }>(
    program,
    'plan <file>',
    'how a definition will run, what it costs on each runtime, and why',
    ['cloudflow plan workflow.json', 'cloudflow plan --per-day 50000 workflow.json'],
    [
      option('--per-day <executions>', 'the volume that prices are for')
        .argParser(integer(1, 1_000_000_000))
        .default(EXAMPLE_PER_DAY),
    ],
    async ([file], own) => {
      const { plan } = await import('../commands/definition.ts');
      return plan(terminal, file as string, own);
    },
  );

  add<{ stepRunner?: string }>(
    program,
    'compile <file>',
    'print the Amazon States Language of a definition',
    ['cloudflow compile workflow.json > machine.json'],
    [option('--step-runner <arn>', 'the function that performs steps')],
    async ([file], own) => {
      const { compile } = await import('../commands/definition.ts');
      return compile(terminal, file as string, own);
    },
  );

  add<{ svg?: string }>(
    program,
    'graph <file>',
    'draw a definition: text in a terminal, SVG in a file',
    ['cloudflow graph workflow.json', 'cloudflow graph workflow.json --svg workflow.svg'],
    [option('--svg <out>', 'write an SVG picture to this file (- for stdout)')],
    async ([file], own) => {
      const { graph } = await import('../commands/definition.ts');
      return graph(terminal, file as string, own);
    },
  );

  const asl = program.command('asl').description('work with Amazon States Language');
  add<{ input?: string; tasks?: string }>(
    asl,
    'run <machine>',
    'run a machine file by itself and print its history, as GetExecutionHistory does',
    ['cloudflow asl run machine.json --input in.json --tasks results.json'],
    [
      option('--input <json>', 'a file, - for stdin, or JSON (default: {})'),
      option('--tasks <file>', 'results of its tasks, by the name of their state'),
    ],
    async ([machine], own) => {
      const { runMachine } = await import('../commands/asl.ts');
      return runMachine(terminal, machine as string, own);
    },
  );
  add(
    asl,
    'show',
    'print the machine of the version that an execution runs',
    ['cloudflow asl show 01a20343-3cf1-70bb-8d66-0734ff6f3d80 > machine.json'],
    [],
    async ([id], _, globals) => {
      const { showMachine } = await import('../commands/asl.ts');
      return showMachine(terminal, await openSession(globals), id as string);
    },
    [execution()],
  );
}
