import { openSession } from '../session.ts';
import type { Cli } from './cli.ts';
import { collect, integer, option } from './words.ts';

/** What steps may reach outside: connections, and the SQL that they may run there. */
export function connections({ program, terminal, add }: Cli): void {
  program.commandsGroup('What steps may reach:');

  const limit = () =>
    option('--limit <n>', 'how many, 1 to 200').argParser(integer(1, 200)).default(50);
  const secrets = () => [
    option(
      '--secret <name>',
      'ask for the value of this secret, without showing it; may be repeated',
    ).argParser(collect),
    option('--secrets-stdin', 'read values from stdin: a JSON object by the names of secrets'),
  ];
  const load = () => import('../commands/connections.ts');

  const group = program
    .command('connections')
    .description('where steps may reach, and with which secrets by name');
  add<{ limit: number }>(
    group,
    'list',
    'list connections by name',
    ['cloudflow connections list'],
    [limit()],
    async (_, own, globals) =>
      (await load()).listConnections(terminal, await openSession(globals), own),
  );
  add(
    group,
    'show <connection>',
    'show one: where it leads, and how old its secrets are; never their values',
    ['cloudflow connections show mailer'],
    [],
    async ([name], _, globals) =>
      (await load()).showConnection(terminal, await openSession(globals), name as string),
  );
  add<import('../commands/connections.ts').SecretOptions>(
    group,
    'create <file>',
    'register a connection, out of a JSON file as the API takes it',
    [
      'cloudflow connections create mailer.json --secret mailer-token',
      'cloudflow connections create mailer.json --secrets-stdin < secrets.json',
    ],
    secrets(),
    async ([file], own, globals) =>
      (await load()).createConnection(terminal, await openSession(globals), file as string, own),
  );
  add<import('../commands/connections.ts').SecretOptions>(
    group,
    'update <file>',
    'replace the connection that the file names; secrets that are not given stay',
    [
      'cloudflow connections update mailer.json',
      'cloudflow connections update mailer.json --secret mailer-token',
    ],
    secrets(),
    async ([file], own, globals) =>
      (await load()).updateConnection(terminal, await openSession(globals), file as string, own),
  );
  add(
    group,
    'delete <connection>',
    'delete a connection that has no operations, and its secrets',
    ['cloudflow connections delete mailer'],
    [],
    async ([name], _, globals) =>
      (await load()).deleteConnection(terminal, await openSession(globals), name as string),
  );

  const operations = program
    .command('operations')
    .description('the SQL that steps may run on a connection to a database');
  add<{ limit: number }>(
    operations,
    'list <connection>',
    'list the operations of a connection by name',
    ['cloudflow operations list crm'],
    [limit()],
    async ([connection], own, globals) =>
      (await load()).listOperations(
        terminal,
        await openSession(globals),
        connection as string,
        own,
      ),
  );
  add(
    operations,
    'show <connection> <operation>',
    'show one: its statement, its parameters, and what it may do',
    ['cloudflow operations show crm find-account'],
    [],
    async ([connection, name], _, globals) =>
      (await load()).showOperation(
        terminal,
        await openSession(globals),
        connection as string,
        name as string,
      ),
  );
  add(
    operations,
    'create <connection> <file>',
    'register an operation, out of a JSON file as the API takes it',
    ['cloudflow operations create crm find-account.json'],
    [],
    async ([connection, file], _, globals) =>
      (await load()).createOperation(
        terminal,
        await openSession(globals),
        connection as string,
        file as string,
      ),
  );
  add(
    operations,
    'update <connection> <file>',
    'replace the operation that the file names',
    ['cloudflow operations update crm find-account.json'],
    [],
    async ([connection, file], _, globals) =>
      (await load()).updateOperation(
        terminal,
        await openSession(globals),
        connection as string,
        file as string,
      ),
  );
  add(
    operations,
    'delete <connection> <operation>',
    'delete an operation',
    ['cloudflow operations delete crm find-account'],
    [],
    async ([connection, name], _, globals) =>
      (await load()).deleteOperation(
        terminal,
        await openSession(globals),
        connection as string,
        name as string,
      ),
  );
}
