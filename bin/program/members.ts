import { MOST_REQUESTS_PER_MINUTE } from '#core/rate-limits.ts';
import { openSession } from '../session.ts';
import type { Cli } from './cli.ts';
import { collect, integer, option } from './words.ts';

/** A tenant and those who belong to it: users, roles, settings, and where people sign in besides here. */
export function members({ program, terminal, add }: Cli): void {
  program.commandsGroup('A tenant and its people:');
  const limit = () =>
    option('--limit <n>', 'how many, 1 to 200').argParser(integer(1, 200)).default(50);

  const users = program.command('users').description('people of the tenant');
  add<import('../commands/users.ts').UserListOptions>(
    users,
    'list',
    'list users by address',
    ['cloudflow users list --text ada', 'cloudflow users list --role owner --status active'],
    [
      option('--text <text>', 'a part of the address or of the name'),
      option('--role <role>', 'only those with this role'),
      option('--status <status>', 'only those with this status').choices([
        'invited',
        'active',
        'deactivated',
      ]),
      limit(),
    ],
    async (_, own, globals) => {
      const commands = await import('../commands/users.ts');
      return commands.users(terminal, await openSession(globals), own);
    },
  );
  add(
    users,
    'show <user>',
    'show a user',
    ['cloudflow users show 0190b6f2-...'],
    [],
    async ([user], _, globals) => {
      const commands = await import('../commands/users.ts');
      return commands.showUser(terminal, await openSession(globals), user as string);
    },
  );
  add<{ role?: readonly string[]; name?: string }>(
    users,
    'invite <address>',
    'invite a user; a token is mailed that sets the first password',
    ['cloudflow users invite ada@example.com --role author --role approver'],
    [
      option('--role <role>', 'a role; may be repeated').argParser(collect),
      option('--name <name>', 'how to call them'),
    ],
    async ([email], own, globals) => {
      const commands = await import('../commands/users.ts');
      return commands.invite(terminal, await openSession(globals), email as string, own);
    },
  );

  add(
    users,
    'invite-again <user>',
    'mail another invitation to who has not accepted theirs; the one before ends',
    ['cloudflow users invite-again 0190b6f2-...'],
    [],
    async ([user], _, globals) => {
      const commands = await import('../commands/users.ts');
      return commands.inviteAgain(terminal, await openSession(globals), user as string);
    },
  );
  add<import('../commands/users.ts').UserChange>(
    users,
    'update <user>',
    'change the roles or the name of a user; what is not said stays',
    [
      'cloudflow users update 0190b6f2-... --role author --role approver',
      'cloudflow users update 0190b6f2-... --name "Ada Lovelace"',
    ],
    [
      option('--role <role>', 'a role that they have from now on; may be repeated').argParser(
        collect,
      ),
      option('--no-roles', 'they have none'),
      option('--name <name>', 'how to call them'),
    ],
    async ([user], own, globals) => {
      const commands = await import('../commands/users.ts');
      return commands.updateUser(terminal, await openSession(globals), user as string, own);
    },
  );
  for (const [name, description, run] of [
    ['deactivate', 'end every session of a user and let them sign in no more', 'deactivateUser'],
    ['activate', 'let a deactivated user sign in again', 'activateUser'],
    ['reset-mfa', 'remove the authenticator of a user who lost it', 'resetSecondFactor'],
  ] as const) {
    add(
      users,
      `${name} <user>`,
      description,
      [`cloudflow users ${name} 0190b6f2-...`],
      [],
      async ([user], _, globals) => {
        const commands = await import('../commands/users.ts');
        return commands[run](terminal, await openSession(globals), user as string);
      },
    );
  }

  const roles = program.command('roles').description('what people may do');
  const loadRoles = () => import('../commands/roles.ts');
  const allows = () => [
    option('--about <text>', 'what it is for'),
    option('--scope <scope>', 'a permission, an area or *; may be repeated').argParser(collect),
  ];
  add<{ limit: number }>(
    roles,
    'list',
    'list roles: those that every tenant has, then its own by name',
    ['cloudflow roles list'],
    [limit()],
    async (_, own, globals) =>
      (await loadRoles()).listRoles(terminal, await openSession(globals), own),
  );
  add(
    roles,
    'permissions',
    'list everything that roles and keys can allow',
    ['cloudflow roles permissions'],
    [],
    async (_, __, globals) =>
      (await loadRoles()).listPermissions(terminal, await openSession(globals)),
  );
  add(
    roles,
    'show <role>',
    'show what a role allows',
    ['cloudflow roles show author'],
    [],
    async ([name], _, globals) =>
      (await loadRoles()).showRole(terminal, await openSession(globals), name as string),
  );
  add<import('../commands/roles.ts').RoleOptions>(
    roles,
    'create <role>',
    'create a role of the tenant’s own',
    ['cloudflow roles create nightwatch --about "who is woken" --scope execution:read'],
    allows(),
    async ([name], own, globals) =>
      (await loadRoles()).createRole(terminal, await openSession(globals), name as string, own),
  );
  add<import('../commands/roles.ts').RoleOptions>(
    roles,
    'update <role>',
    'change what a role allows; its users feel it with their next call, and what is not said stays',
    ['cloudflow roles update nightwatch --scope execution:read --scope execution:control'],
    allows(),
    async ([name], own, globals) =>
      (await loadRoles()).updateRole(terminal, await openSession(globals), name as string, own),
  );
  add(
    roles,
    'delete <role>',
    'delete a role that no user has and no identity provider gives',
    ['cloudflow roles delete nightwatch'],
    [],
    async ([name], _, globals) =>
      (await loadRoles()).deleteRole(terminal, await openSession(globals), name as string),
  );

  const tenant = program.command('tenant').description('the tenant itself, and its settings');
  const loadTenant = () => import('../commands/tenant.ts');
  add(
    tenant,
    'show',
    'show the tenant and its settings',
    ['cloudflow tenant show'],
    [],
    async (_, __, globals) => (await loadTenant()).showTenant(terminal, await openSession(globals)),
  );
  add<import('../commands/tenant.ts').TenantChange>(
    tenant,
    'update',
    'change the name or settings of the tenant; what is not said stays',
    [
      'cloudflow tenant update --mfa everyone',
      'cloudflow tenant update --origin https://app.example.com --requests-per-minute 20000',
    ],
    [
      option('--name <name>', 'what it is called'),
      option('--mfa <who>', 'who needs a second factor').choices([
        'off',
        'administrative',
        'everyone',
      ]),
      option('--password-sign-in <who>', 'who may sign in with a password').choices([
        'everyone',
        'owners',
      ]),
      option(
        '--requests-per-minute <n>',
        'of all callers together; default: as many as are usual',
      ).argParser((text) =>
        text === 'default' ? text : integer(1, MOST_REQUESTS_PER_MINUTE)(text),
      ),
      option(
        '--origin <origin>',
        'a web page that may call, as https://host; may be repeated',
      ).argParser(collect),
      option('--no-origins', 'no web page may call'),
    ],
    async (_, own, globals) =>
      (await loadTenant()).updateTenant(terminal, await openSession(globals), own),
  );

  const providers = program
    .command('identity-providers')
    .description('where people sign in besides here');
  add(
    providers,
    'list',
    'list identity providers by name',
    ['cloudflow identity-providers list'],
    [],
    async (_, __, globals) => {
      const commands = await import('../commands/identity-providers.ts');
      return commands.identityProviders(terminal, await openSession(globals));
    },
  );
  add(
    providers,
    'show <provider>',
    'show how one is asked, and what is to be registered with it',
    ['cloudflow identity-providers show okta'],
    [],
    async ([name], _, globals) => {
      const commands = await import('../commands/identity-providers.ts');
      const client = await openSession(globals);
      return commands.showIdentityProvider(terminal, client, name as string);
    },
  );
  add<{ secretStdin?: true }>(
    providers,
    'create <file>',
    'connect an identity provider, out of a JSON file as the API takes it',
    ['cloudflow identity-providers create okta.json --secret-stdin < secret'],
    [option('--secret-stdin', 'read the client secret from stdin')],
    async ([file], own, globals) => {
      const commands = await import('../commands/identity-providers.ts');
      const client = await openSession(globals);
      return commands.createIdentityProvider(terminal, client, file as string, own);
    },
  );
  add<{ secretStdin?: true }>(
    providers,
    'update <file>',
    'replace the identity provider that the file names; a client secret that is not given stays',
    ['cloudflow identity-providers update okta.json'],
    [option('--secret-stdin', 'read the client secret from stdin')],
    async ([file], own, globals) => {
      const commands = await import('../commands/identity-providers.ts');
      const client = await openSession(globals);
      return commands.updateIdentityProvider(terminal, client, file as string, own);
    },
  );
  add(
    providers,
    'delete <provider>',
    'let nobody sign in through it any more, and end sessions that came through it',
    ['cloudflow identity-providers delete okta'],
    [],
    async ([name], _, globals) => {
      const commands = await import('../commands/identity-providers.ts');
      const client = await openSession(globals);
      return commands.deleteIdentityProvider(terminal, client, name as string);
    },
  );
}
