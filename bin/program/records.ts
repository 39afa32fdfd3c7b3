import { type ConsumerName, replayedNames } from '#config/consumers.ts';
import { AUDIT_OUTCOMES } from '#core/audit-chain.ts';
import { DEAD_LETTER_STATUS_WORDS } from '#core/events/dead-letter-status.ts';
import { openSession } from '../session.ts';
import type { Cli } from './cli.ts';
import { integer, option } from './words.ts';

/** What was recorded: the audit trail, and events that readers could not use or get again. */
export function records({ program, terminal, add }: Cli): void {
  program.commandsGroup('What was recorded:');

  const audit = program.command('audit').description('who did what');
  const filters = () => [
    option('--actor <actor>', 'user:<id>, key:<id> or unknown'),
    option('--operation <operation>', 'as the API names it, such as createWorkflow'),
    option('--target <target>', 'what it was done to, such as workflow:order'),
    option('--outcome <outcome>', 'what became of it').choices([...AUDIT_OUTCOMES]),
    option('--from <instant>', 'not before, as 2026-11-26T08:00:00.000Z'),
    option('--to <instant>', 'before'),
  ];
  add<import('../commands/audit.ts').AuditListOptions>(
    audit,
    'list',
    'list who did what, newest first',
    ['cloudflow audit list --outcome refused', 'cloudflow audit list --target workflow:order'],
    [
      ...filters(),
      option('--limit <n>', 'how many, 1 to 200').argParser(integer(1, 200)).default(20),
    ],
    async (_, own, globals) => {
      const commands = await import('../commands/audit.ts');
      return commands.listAudit(terminal, await openSession(globals), own);
    },
  );
  add<Omit<import('../commands/audit.ts').AuditListOptions, 'limit'>>(
    audit,
    'export',
    'write out all of it, oldest first, one JSON document a line',
    ['cloudflow audit export > audit.ndjson'],
    filters(),
    async (_, own, globals) => {
      const commands = await import('../commands/audit.ts');
      return commands.exportAudit(terminal, await openSession(globals), own);
    },
  );
  add<{ archive?: string }>(
    audit,
    'verify',
    'compute the chain anew and name the first event that is wrong',
    ['cloudflow audit verify', 'cloudflow audit verify --archive ./copy-of-the-audit-bucket'],
    [option('--archive <folder>', 'take the signed ends from a copy of the archive')],
    async (_, own, globals) => {
      const commands = await import('../commands/audit.ts');
      return commands.verify(terminal, await openSession(globals), own);
    },
  );

  const deadLetters = program
    .command('dead-letters')
    .description('events that a reader could not use');
  add<import('../commands/dead-letters.ts').DeadLetterListOptions>(
    deadLetters,
    'list',
    'list them, newest first',
    ['cloudflow dead-letters list', 'cloudflow dead-letters list --status discarded'],
    [
      option('--status <status>', 'what became of them')
        .choices([...DEAD_LETTER_STATUS_WORDS])
        .default('open'),
      option('--group <group>', 'the readers that could not use them'),
      option('--fingerprint <fingerprint>', 'of one cause'),
      option('--limit <n>', 'how many, 1 to 200').argParser(integer(1, 200)).default(20),
    ],
    async (_, own, globals) => {
      const commands = await import('../commands/dead-letters.ts');
      return commands.listDeadLetters(terminal, await openSession(globals), own);
    },
  );
  add(
    deadLetters,
    'show <id>',
    'show one: what it was, and what went wrong',
    ['cloudflow dead-letters show 019a4d2c-8800-7000-8000-000000000001'],
    [],
    async ([id], _, globals) => {
      const commands = await import('../commands/dead-letters.ts');
      return commands.showDeadLetter(terminal, await openSession(globals), id as string);
    },
  );
  add(
    deadLetters,
    'patterns',
    'group open ones by their cause',
    ['cloudflow dead-letters patterns'],
    [],
    async (_, _own, globals) => {
      const commands = await import('../commands/dead-letters.ts');
      return commands.listPatterns(terminal, await openSession(globals));
    },
  );
  add<{ reason?: string }>(
    deadLetters,
    'redrive <id>',
    'send one to its topic again',
    ['cloudflow dead-letters redrive 019a4d2c-8800-7000-8000-000000000001'],
    [option('--reason <text>', 'what has changed')],
    async ([id], own, globals) => {
      const commands = await import('../commands/dead-letters.ts');
      return commands.redrive(terminal, await openSession(globals), id as string, own);
    },
  );
  add<{ reason: string }>(
    deadLetters,
    'discard <id>',
    'let one be',
    [
      "cloudflow dead-letters discard 019a4d2c-8800-7000-8000-000000000001 --reason 'billed by hand'",
    ],
    [option('--reason <text>', 'why').makeOptionMandatory()],
    async ([id], own, globals) => {
      const commands = await import('../commands/dead-letters.ts');
      return commands.discard(terminal, await openSession(globals), id as string, own);
    },
  );

  add<import('../commands/replay.ts').ReplayOptions & { reader: ConsumerName }>(
    program,
    'replay',
    'hand events to a reader again, from a time on; what it knows has no effect twice',
    [
      'cloudflow replay --reader billing --from earliest',
      'cloudflow replay --reader analytics --from 2026-11-26T08:00:00.000Z',
    ],
    [
      option('--reader <reader>', 'who gets them')
        .choices([...replayedNames])
        .makeOptionMandatory(),
      option('--from <instant>', 'not before, or earliest').makeOptionMandatory(),
    ],
    async (_, own, { dataDir }) => {
      const { replayTopic } = await import('../commands/replay.ts');
      return replayTopic(terminal, dataDir, own.reader, own);
    },
  );
}
