import { findPlace, openSession } from '../session.ts';
import type { Cli } from './cli.ts';
import { integer, option } from './words.ts';

/** What people do about themselves: passwords, addresses, profiles, and where they are signed in. */
export function account({ program, terminal, add }: Cli): void {
  program.commandsGroup('Your own account:');
  const load = () => import('../commands/account.ts');
  type From = import('../commands/account.ts').SecretsFrom;
  const stdin = (lines: string) => option('--stdin', `read from stdin: ${lines}`);

  const password = program.command('password').description('your password');
  add<From>(
    password,
    'change',
    'change it; both are asked for without showing them, and your other sessions end',
    ['cloudflow password change'],
    [stdin('the current one, and the new one in the next line')],
    async (_, own, globals) =>
      (await load()).changePassword(terminal, await openSession(globals), own),
  );
  add<import('../commands/account.ts').AccountOptions>(
    password,
    'forgot',
    'have a token mailed that sets another',
    ['cloudflow password forgot --tenant acme --email ada@example.com'],
    [
      option('--tenant <tenant>', 'the short name of the tenant'),
      option('--email <address>', 'the address of the user'),
    ],
    async (_, own, globals) => (await load()).forgotPassword(terminal, findPlace(globals), own),
  );
  add<From>(
    password,
    'reset',
    'set another with the token that was mailed; every session before ends',
    ['cloudflow password reset'],
    [stdin('the token, and the new password in the next line')],
    async (_, own, globals) => (await load()).resetPassword(terminal, findPlace(globals), own),
  );

  const invitation = program
    .command('invitation')
    .description('an invitation that was mailed to you');
  add<From & { name?: string }>(
    invitation,
    'accept',
    'become a user with the token that was mailed, and set the first password',
    ['cloudflow invitation accept --url https://api.example.com --name "Ada Lovelace"'],
    [
      option('--name <name>', 'how to call you'),
      stdin('the token, and the password in the next line'),
    ],
    async (_, own, globals) => (await load()).acceptInvitation(terminal, findPlace(globals), own),
  );

  const address = program.command('address').description('the address that you sign in with');
  add<From>(
    address,
    'change <address>',
    'have a token mailed there; until it is confirmed nothing changes',
    ['cloudflow address change ada@example.com'],
    [stdin('the current password')],
    async ([email], own, globals) =>
      (await load()).changeAddress(terminal, await openSession(globals), email as string, own),
  );
  add<From>(
    address,
    'confirm',
    'confirm it with the token that was mailed there; the old address is told',
    ['cloudflow address confirm'],
    [stdin('the token')],
    async (_, own, globals) => (await load()).confirmAddress(terminal, findPlace(globals), own),
  );

  const profile = program.command('profile').description('what is known of you');
  add(
    profile,
    'show',
    'show your profile',
    ['cloudflow profile show'],
    [],
    async (_, __, globals) => (await load()).showProfile(terminal, await openSession(globals)),
  );
  add<import('../commands/account.ts').ProfileChange>(
    profile,
    'update',
    'change it; what is not said stays',
    ['cloudflow profile update --time-zone Europe/Berlin'],
    [
      option('--name <name>', 'how to call you'),
      option('--locale <locale>', 'such as de-AT'),
      option('--time-zone <zone>', 'such as Europe/Berlin'),
      option('--theme <theme>', 'of web pages').choices(['light', 'dark', 'system']),
    ],
    async (_, own, globals) =>
      (await load()).updateProfile(terminal, await openSession(globals), own),
  );

  const sessions = program.command('sessions').description('where you, or others, are signed in');
  const loadSessions = () => import('../commands/sessions.ts');
  add<import('../commands/sessions.ts').SessionListOptions>(
    sessions,
    'list',
    'list where you are signed in, newest first; with an option, where others are',
    ['cloudflow sessions list', 'cloudflow sessions list --any-user'],
    [
      option('--user <user>', 'of this user, by id'),
      option('--any-user', 'of everybody in the tenant'),
      option('--limit <n>', 'how many, 1 to 200').argParser(integer(1, 200)).default(50),
    ],
    async (_, own, globals) =>
      (await loadSessions()).listSessions(terminal, await openSession(globals), own),
  );
  add<{ anyUser?: true }>(
    sessions,
    'end <session>',
    'end a session of yours; with an option, of anybody',
    ['cloudflow sessions end 0190b6f2-...', 'cloudflow sessions end 0190b6f2-... --any-user'],
    [option('--any-user', 'of whoever has it')],
    async ([id], own, globals) =>
      (await loadSessions()).endSession(terminal, await openSession(globals), id as string, own),
  );
  add(
    sessions,
    'end-all',
    'end every session of yours, this one too',
    ['cloudflow sessions end-all'],
    [],
    async (_, __, globals) =>
      (await loadSessions()).endMySessions(
        terminal,
        findPlace(globals),
        await openSession(globals),
      ),
  );
}
