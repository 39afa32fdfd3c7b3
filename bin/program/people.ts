import { findPlace, openSession } from '../session.ts';
import type { Cli } from './cli.ts';
import { collect, option } from './words.ts';

/** Who somebody is: signing in, second factors, keys, and who they are elsewhere. */
export function people({ program, terminal, add }: Cli): void {
  program.commandsGroup('Who may do what:');

  add<import('../commands/identity.ts').LoginOptions & { sso?: string }>(
    program,
    'login',
    'sign in as a user; the local stack knows its first one',
    [
      'cloudflow login',
      'cloudflow login --url https://api.example.com --tenant acme',
      'cloudflow login --tenant acme --sso okta',
    ],
    [
      option('--tenant <tenant>', 'the short name of the tenant'),
      option('--sso <provider>', 'through this identity provider of the tenant, in a browser'),
      option('--email <address>', 'the address of the user'),
      option('--password-stdin', 'read the password from stdin'),
      option('--code <code>', 'of the authenticator, where one is enrolled'),
      option('--mode <mode>', 'which data the session is about')
        .choices(['live', 'test'])
        .default('live'),
    ],
    async (_, own, globals) => {
      const { sso } = own;
      if (sso !== undefined) {
        const { loginElsewhere } = await import('../commands/sign-in-elsewhere.ts');
        return loginElsewhere(terminal, findPlace(globals), { ...own, sso });
      }
      const { login } = await import('../commands/identity.ts');
      return login(terminal, findPlace(globals), own);
    },
  );

  add(
    program,
    'logout',
    'end the session that `cloudflow login` began',
    ['cloudflow logout'],
    [],
    async (_, __, globals) => {
      const { logout } = await import('../commands/identity.ts');
      return logout(terminal, findPlace(globals), await openSession(globals));
    },
  );

  add(
    program,
    'whoami',
    'who the platform takes you for, and what you may do',
    ['cloudflow whoami'],
    [],
    async (_, __, globals) => {
      const { whoami } = await import('../commands/identity.ts');
      return whoami(terminal, await openSession(globals));
    },
  );

  const mfa = program.command('mfa').description('your second factor: an authenticator');
  add(
    mfa,
    'enrol',
    'begin to enrol an authenticator: its secret and otpauth URI; at a terminal its first code is asked for',
    ['cloudflow mfa enrol'],
    [],
    async (_, __, globals) => {
      const { enrol } = await import('../commands/mfa.ts');
      return enrol(terminal, await openSession(globals));
    },
  );
  for (const [name, description, run] of [
    ['confirm', 'let the authenticator count, and print its recovery codes, this once', 'confirm'],
    ['prove', 'prove it again, for what is administrative in the next half hour', 'prove'],
    ['remove', 'remove it, with a last code of it; ends your other sessions', 'remove'],
  ] as const) {
    add(
      mfa,
      `${name} <code>`,
      description,
      [`cloudflow mfa ${name} 123456`],
      [],
      async ([code], _, globals) => {
        const commands = await import('../commands/mfa.ts');
        return commands[run](terminal, await openSession(globals), code as string);
      },
    );
  }

  const keys = program.command('keys').description('credentials of programs');
  add(
    keys,
    'list',
    'list API keys, newest first',
    ['cloudflow keys list'],
    [],
    async (_, __, g) => {
      const commands = await import('../commands/identity.ts');
      return commands.keys(terminal, await openSession(g));
    },
  );
  add(
    keys,
    'show <key>',
    'show an API key, without its text',
    ['cloudflow keys show Ax6fv0yi'],
    [],
    async ([id], _, globals) => {
      const commands = await import('../commands/identity.ts');
      return commands.showKey(terminal, await openSession(globals), id as string);
    },
  );
  add<import('../commands/identity.ts').NewKeyOptions>(
    keys,
    'create <name>',
    'create an API key and print it, this once',
    ['cloudflow keys create ci --mode test --scope workflow:read --scope workflow:write'],
    [
      option('--scope <scope>', 'a permission, an area or *; may be repeated')
        .argParser(collect)
        .makeOptionMandatory(),
      option('--workflow <workflow>', 'for these only; may be repeated').argParser(collect),
      option('--mode <mode>', 'which data it is about').choices(['live', 'test']).default('test'),
    ],
    async ([name], own, globals) => {
      const commands = await import('../commands/identity.ts');
      return commands.createKey(terminal, await openSession(globals), name as string, own);
    },
  );
  for (const [name, description, run] of [
    ['rotate', 'make a key that may do the same; the old one goes on for a day', 'rotateKey'],
    ['revoke', 'revoke an API key', 'revokeKey'],
  ] as const) {
    add(
      keys,
      `${name} <key>`,
      description,
      [`cloudflow keys ${name} Ax6fv0yi`],
      [],
      async ([id], _, globals) => {
        const commands = await import('../commands/identity.ts');
        return commands[run](terminal, await openSession(globals), id as string);
      },
    );
  }

  const identities = program
    .command('identities')
    .description('who people are at identity providers');
  const whose = () => [option('--user <user>', 'of a user, by id; left out: your own')];
  add<import('../commands/identities.ts').Whose>(
    identities,
    'list',
    'list what lets somebody sign in elsewhere',
    ['cloudflow identities list', 'cloudflow identities list --user 0190b6f2-...'],
    whose(),
    async (_, own, globals) => {
      const commands = await import('../commands/identities.ts');
      return commands.identities(terminal, await openSession(globals), own);
    },
  );
  add(
    identities,
    'link <provider>',
    'sign in through a provider from now on, too: in a browser, as whoever you are there',
    ['cloudflow identities link okta'],
    [],
    async ([provider], _, globals) => {
      const { linkIdentity } = await import('../commands/sign-in-elsewhere.ts');
      const client = await openSession(globals);
      return linkIdentity(terminal, findPlace(globals), client, provider as string);
    },
  );
  add<import('../commands/identities.ts').Whose>(
    identities,
    'remove <provider>',
    'let somebody sign in through a provider no more, and end sessions that came through it',
    ['cloudflow identities remove okta'],
    whose(),
    async ([provider], own, globals) => {
      const commands = await import('../commands/identities.ts');
      return commands.removeIdentity(terminal, await openSession(globals), provider as string, own);
    },
  );
}
