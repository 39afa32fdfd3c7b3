import { Argument } from 'commander';
import { openSession } from '../session.ts';
import type { Cli } from './cli.ts';
import { collect, integer, option, uuid } from './words.ts';

/** Many executions at once: limited, cancelled, set aside; and what waits for a person. */
export function operating({ program, terminal, add }: Cli): void {
  program.commandsGroup('Many of them:');

  add<{ readonly limit: number }>(
    program,
    'quarantine',
    'list executions that the integrity check has set aside, and why',
    ['cloudflow quarantine'],
    [option('--limit <n>', 'how many').argParser(integer(1, 200)).default(50)],
    async (_, own, globals) => {
      const { listQuarantined } = await import('../commands/operate.ts');
      return listQuarantined(terminal, await openSession(globals), own);
    },
  );

  add<import('../commands/limits.ts').LimitOptions>(
    program,
    'limits',
    'how many executions run at once and how fast they begin; with an option, set it',
    [
      'cloudflow limits order',
      'cloudflow limits order --concurrency 20 --starts 100/1m',
      'cloudflow limits --none',
    ],
    [
      option('--concurrency <n>', 'executions that may run at once').argParser(integer(1, 100_000)),
      option('--starts <n/span>', 'executions that may begin within a span, such as 100/1m'),
      option('--max-waiting <n>', 'starts that may wait; one beyond is refused').argParser(
        integer(1, 10_000),
      ),
      option('--none', 'take away what was set'),
    ],
    async ([workflow], own, globals) => {
      const { limits } = await import('../commands/limits.ts');
      return limits(terminal, await openSession(globals), workflow, own);
    },
    [new Argument('[workflow]', 'a workflow; without one, all together')],
  );

  const bulk = program
    .command('bulk')
    .description('cancel, pause, resume or retry many executions at once');
  for (const [name, description] of [
    ['cancel', 'end executions early'],
    ['pause', 'start no further step of executions until they are resumed'],
    ['resume', 'let paused executions go on'],
    ['retry', 'run failed executions again from their failed steps'],
  ] as const) {
    add<import('../commands/bulk.ts').BulkOptions>(
      bulk,
      name,
      description,
      [`cloudflow bulk ${name} --workflow order --dry-run`],
      [
        option('--status <status>', 'only those with this status').choices([
          ...(name === 'retry' ? ['FAILED', 'CANCELLED', 'COMPLETED'] : ['PENDING', 'RUNNING']),
        ]),
        option('--workflow <id>', 'only those of this workflow'),
        option('--label <name:value>', 'only those with this label; may be repeated').argParser(
          collect,
        ),
        option('--text <words>', 'only those that these words find'),
        option('--from <instant>', 'not created before, as 2026-11-26T08:00:00.000Z'),
        option('--to <instant>', 'created before'),
        option('--limit <n>', 'how many, at most').argParser(integer(1, 100_000)).default(1_000),
        ...(name === 'cancel'
          ? [
              option('--compensate', 'undo what was done'),
              option('--no-compensate', 'leave what was done'),
              option('--reason <text>', 'for whoever reads the history'),
            ]
          : []),
        option('--dry-run', 'only count and show what is meant'),
      ],
      async (_, own, globals) => {
        const { startBulk } = await import('../commands/bulk.ts');
        return startBulk(terminal, await openSession(globals), name, own);
      },
    );
  }
  add(
    bulk,
    'show',
    'how far a bulk operation has got; without one, list them',
    ['cloudflow bulk show', 'cloudflow bulk show 01a20345-a52d-71dc-93cf-d9083cb9b13f'],
    [],
    async ([id], _, globals) => {
      const { showBulk } = await import('../commands/bulk.ts');
      return showBulk(terminal, await openSession(globals), id);
    },
    [uuid('[operation]', 'a bulk operation')],
  );
  add(
    bulk,
    'stop',
    'end a bulk operation early; what it has done stays done',
    ['cloudflow bulk stop 01a20345-a52d-71dc-93cf-d9083cb9b13f'],
    [],
    async ([id], _, globals) => {
      const { stopBulk } = await import('../commands/bulk.ts');
      return stopBulk(terminal, await openSession(globals), id as string);
    },
    [uuid('<operation>', 'a bulk operation')],
  );

  add<{ reject?: true; comment?: string }>(
    program,
    'approve',
    'answer an approval; without one, list those that wait',
    ['cloudflow approve', 'cloudflow approve 01a20345-a52d-71dc-93cf-d9083cb9b13f --reject'],
    [option('--reject', 'reject instead'), option('--comment <text>', 'why, for the history')],
    async ([id], own, globals) => {
      const { answer, approvals } = await import('../commands/approvals.ts');
      const client = await openSession(globals);
      return id === undefined ? approvals(terminal, client) : answer(terminal, client, id, own);
    },
    [uuid('[approval]', 'an approval, as `cloudflow approve` lists them')],
  );
}
