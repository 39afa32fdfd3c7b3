import { openSession } from '../session.ts';
import type { Cli } from './cli.ts';
import { integer, option, starting } from './words.ts';

/** Workflows as they are stored: listed, seen, started, held, deleted. */
export function workflows({ program, terminal, add }: Cli): void {
  program.commandsGroup('Workflows that are stored:');

  const workflow = program
    .command('workflow')
    .description('definitions that are stored: seen, started and held');
  const limit = () =>
    option('--limit <n>', 'how many, 1 to 200').argParser(integer(1, 200)).default(50);
  const load = () => import('../commands/workflows.ts');

  add<import('../commands/workflows.ts').WorkflowListOptions>(
    workflow,
    'list',
    'list and search workflows',
    ['cloudflow workflow list', 'cloudflow workflow list --text "refund order"'],
    [
      option('--text <words>', 'only those with these words in their id or description'),
      option('--step-type <type>', 'only those with a step of this type, such as approval'),
      limit(),
    ],
    async (_, own, globals) =>
      (await load()).listWorkflows(terminal, await openSession(globals), own),
  );
  add<{ version?: string; definition?: true }>(
    workflow,
    'show <workflow>',
    'its current version, whether it is held, and its latest execution',
    [
      'cloudflow workflow show welcome',
      'cloudflow workflow show welcome --version 1.0.0 --definition > welcome.json',
    ],
    [
      option('--version <version>', 'this version instead'),
      option('--definition', 'print the definition alone'),
    ],
    async ([id], own, globals) =>
      (await load()).showWorkflow(terminal, await openSession(globals), id as string, own),
  );
  add<{ limit: number }>(
    workflow,
    'versions <workflow>',
    'list its versions, newest first',
    ['cloudflow workflow versions welcome'],
    [limit()],
    async ([id], own, globals) =>
      (await load()).listVersions(terminal, await openSession(globals), id as string, own),
  );
  add(
    workflow,
    'store <file>',
    'store a definition, as its workflow’s first version or a further one, without starting it',
    ['cloudflow workflow store welcome.json'],
    [],
    async ([file], _, globals) =>
      (await load()).storeWorkflow(terminal, await openSession(globals), file as string),
  );
  add<import('../commands/run.ts').RunOptions & { version?: string }>(
    workflow,
    'start <workflow>',
    'start what is stored and follow it to its end',
    [
      'cloudflow workflow start welcome --input input.json',
      'cloudflow workflow start welcome --version 1.0.0 --detach',
    ],
    [option('--version <version>', 'this version, not the highest'), ...starting()],
    async ([id], own, globals) => {
      const { startStored } = await import('../commands/run.ts');
      return startStored(terminal, await openSession(globals), id as string, own);
    },
  );
  add(
    workflow,
    'delete <workflow>',
    'let it be started and found no more; what runs goes on, and history stays',
    ['cloudflow workflow delete welcome'],
    [],
    async ([id], _, globals) =>
      (await load()).deleteWorkflow(terminal, await openSession(globals), id as string),
  );
  add<{ reason?: string }>(
    workflow,
    'pause <workflow>',
    'let its executions wait before they begin; what runs goes on',
    ['cloudflow workflow pause welcome --reason "the mailer is down"'],
    [option('--reason <text>', 'for whoever finds it paused')],
    async ([id], own, globals) => {
      const { pauseWorkflow } = await import('../commands/workflows.ts');
      return pauseWorkflow(terminal, await openSession(globals), id as string, own);
    },
  );
  add(
    workflow,
    'resume <workflow>',
    'let what waits begin, the oldest first',
    ['cloudflow workflow resume welcome'],
    [],
    async ([id], _, globals) => {
      const { resumeWorkflow } = await import('../commands/workflows.ts');
      return resumeWorkflow(terminal, await openSession(globals), id as string);
    },
  );
}
