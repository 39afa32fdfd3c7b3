import { openSession } from '../session.ts';
import type { Cli } from './cli.ts';
import { collect, execution, integer, option, runtime, starting } from './words.ts';

/** Executions, one at a time: begun, followed, ended, held and run again. */
export function executions({ program, terminal, add }: Cli): void {
  program.commandsGroup('One execution:');

  add<import('../commands/run.ts').RunOptions>(
    program,
    'run <file>',
    'store a definition, start it and follow it to its end',
    [
      'cloudflow run workflow.json --input input.json',
      `cloudflow run workflow.json --input '{"order": 7}' --label team:ops --detach`,
    ],
    starting(),
    async ([file], own, globals) => {
      const { run } = await import('../commands/run.ts');
      return run(terminal, await openSession(globals), file as string, own);
    },
  );

  add<import('../commands/executions.ts').ListOptions>(
    program,
    'executions',
    'list executions, newest first',
    ['cloudflow executions --status FAILED --label team:ops', 'cloudflow executions --json'],
    [
      option('--status <status>', 'only those with this status').choices([
        'PENDING',
        'RUNNING',
        'COMPLETED',
        'FAILED',
        'CANCELLED',
      ]),
      option('--workflow <id>', 'only those of this workflow'),
      option('--label <name:value>', 'only those with this label; may be repeated').argParser(
        collect,
      ),
      option('--text <words>', 'only those that these words find'),
      option('--held', 'only those that wait to begin'),
      option('--from <instant>', 'not created before, as 2026-11-26T08:00:00.000Z'),
      option('--to <instant>', 'created before'),
      option('--cursor <cursor>', 'go on behind a page: its next_cursor, as --json says it'),
      option('--limit <n>', 'how many, 1 to 200').argParser(integer(1, 200)).default(20),
    ],
    async (_, own, globals) => {
      const { list } = await import('../commands/executions.ts');
      return list(terminal, await openSession(globals), own);
    },
  );

  add<{ follow?: true }>(
    program,
    'show',
    'the timeline of an execution, and why it waits',
    ['cloudflow show 01a20343-3cf1-70bb-8d66-0734ff6f3d80 --follow'],
    [option('--follow', 'go on watching until it ends')],
    async ([id], own, globals) => {
      const { show } = await import('../commands/executions.ts');
      return show(terminal, await openSession(globals), id as string, own);
    },
    [execution()],
  );

  add<{ limit: number }>(
    program,
    'steps',
    'the steps of an execution: status, tries, how long, and what went wrong',
    ['cloudflow steps 01a20343-3cf1-70bb-8d66-0734ff6f3d80'],
    [option('--limit <n>', 'how many, 1 to 200').argParser(integer(1, 200)).default(200)],
    async ([id], own, globals) => {
      const { steps } = await import('../commands/executions.ts');
      return steps(terminal, await openSession(globals), id as string, own);
    },
    [execution()],
  );

  add<import('../commands/operate.ts').CancelOptions>(
    program,
    'cancel',
    'end an execution early, undoing what was done where the definition says so',
    ['cloudflow cancel 01a20343-3cf1-70bb-8d66-0734ff6f3d80 --reason "wrong input"'],
    [
      option('--compensate', 'undo what was done'),
      option('--no-compensate', 'leave what was done'),
      option('--reason <text>', 'for whoever reads the history'),
    ],
    async ([id], own, globals) => {
      const { cancel } = await import('../commands/operate.ts');
      return cancel(terminal, await openSession(globals), id as string, own);
    },
    [execution()],
  );

  for (const [name, description] of [
    ['pause', 'start no further step of an execution until it is resumed'],
    ['resume', 'let a paused execution go on'],
    ['release', 'let an execution go that the integrity check has set aside'],
  ] as const) {
    add(
      program,
      name,
      description,
      [`cloudflow ${name} 01a20343-3cf1-70bb-8d66-0734ff6f3d80`],
      [],
      async ([id], _, globals) => {
        const commands = await import('../commands/operate.ts');
        return commands[name](terminal, await openSession(globals), id as string);
      },
      [execution()],
    );
  }

  add<import('../commands/operate.ts').RetryOptions>(
    program,
    'retry',
    'run a finished execution again from its failed steps',
    [
      'cloudflow retry 01a20343-3cf1-70bb-8d66-0734ff6f3d80 --dry-run',
      'cloudflow retry 01a20343-3cf1-70bb-8d66-0734ff6f3d80 --input fixed.json',
    ],
    [
      option('--input <json>', 'another input: a file, - for stdin, or JSON'),
      option('--version <version>', 'a newer compatible version of the workflow'),
      runtime(),
      option('--dry-run', 'only show what would be used again and what would be repeated'),
      option('--detach', 'print the execution id and leave'),
    ],
    async ([id], own, globals) => {
      const { retry } = await import('../commands/operate.ts');
      return retry(terminal, await openSession(globals), id as string, own);
    },
    [execution()],
  );
}
