import { type Client, createClient } from '#client/client.ts';
import type { ResponseBody } from '#contract/routes.ts';
import { CliError } from '../cli-error.ts';
import { facts } from '../output/facts.ts';
import { told } from '../output/pages.ts';
import type { Terminal } from '../output/terminal.ts';
import { printable } from '../output/text.ts';
import { ask, secretLines } from '../prompt.ts';
import type { Place } from '../session.ts';
import { userFacts } from './users.ts';

// What people do about themselves. Passwords and mailed tokens are asked for or come from stdin, never as an
// argument, where a history of the shell or a list of processes would show them.

export interface SecretsFrom {
  readonly stdin?: true;
}

export async function changePassword(
  terminal: Terminal,
  client: Client,
  { stdin }: SecretsFrom,
): Promise<void> {
  const names = ['current password', 'new password'] as const;
  const [current_password, new_password] = await secretLines(names, stdin === true);
  await client.changePassword({ body: { current_password, new_password } });
  told(terminal, { changed: true }, 'the password is changed; other sessions of yours are over');
}

export interface AccountOptions {
  readonly tenant?: string;
  readonly email?: string;
}

/** The same is answered whether there is such an account or not. */
export async function forgotPassword(
  terminal: Terminal,
  { baseUrl }: Place,
  options: AccountOptions,
): Promise<void> {
  const tenant = options.tenant ?? (await ask('tenant', { hidden: false, instead: '--tenant' }));
  const email = options.email ?? (await ask('address', { hidden: false, instead: '--email' }));
  await createClient({ baseUrl }).forgotPassword({ body: { tenant, email } });
  told(
    terminal,
    { asked: true },
    'if there is such an account, a token is on its way to it; `cloudflow password reset` takes it',
  );
}

export async function resetPassword(
  terminal: Terminal,
  { baseUrl }: Place,
  { stdin }: SecretsFrom,
): Promise<void> {
  const names = ['token of the mail', 'new password'] as const;
  const [token, new_password] = await secretLines(names, stdin === true);
  await createClient({ baseUrl }).resetPassword({ body: { token, new_password } });
  told(terminal, { changed: true }, 'the password is set; every session before is over');
}

export async function acceptInvitation(
  terminal: Terminal,
  { baseUrl }: Place,
  { stdin, name }: SecretsFrom & { readonly name?: string },
): Promise<void> {
  const names = ['token of the invitation', 'new password'] as const;
  const [token, password] = await secretLines(names, stdin === true);
  await createClient({ baseUrl }).acceptInvitation({
    body: { token, password, ...(name === undefined ? {} : { name }) },
  });
  told(terminal, { accepted: true }, 'the invitation is accepted; `cloudflow login` signs in');
}

export async function changeAddress(
  terminal: Terminal,
  client: Client,
  email: string,
  { stdin }: SecretsFrom,
): Promise<void> {
  const [current_password] = await secretLines(['current password'], stdin === true);
  await client.changeAddress({ body: { email, current_password } });
  told(
    terminal,
    { asked: true },
    `a token is on its way to ${printable(email)}; \`cloudflow address confirm\` takes it`,
  );
}

export async function confirmAddress(
  terminal: Terminal,
  { baseUrl }: Place,
  { stdin }: SecretsFrom,
): Promise<void> {
  const [token] = await secretLines(['token of the mail'], stdin === true);
  await createClient({ baseUrl }).confirmAddress({ body: { token } });
  told(terminal, { confirmed: true }, 'the address is confirmed; sign in with it from now on');
}

export async function showProfile(terminal: Terminal, client: Client): Promise<void> {
  sayProfile(terminal, await client.getProfile());
}

type Preferences = ResponseBody<'getProfile'>['preferences'];

export interface ProfileChange {
  readonly name?: string;
  readonly locale?: string;
  readonly timeZone?: string;
  readonly theme?: NonNullable<Preferences['theme']>;
}

/** What is not said stays as it is; what was changed elsewhere meanwhile is not overwritten. */
export async function updateProfile(
  terminal: Terminal,
  client: Client,
  change: ProfileChange,
): Promise<void> {
  const { name, locale, timeZone, theme } = change;
  if (Object.values(change).every((value) => value === undefined)) {
    throw new CliError(
      'usage',
      'USAGE',
      'nothing is to be changed; use --name, --locale, --time-zone or --theme',
    );
  }
  const { body: found, etag } = await client.send('getProfile');
  const profile = await client.updateProfile({
    body: {
      name: name ?? found.user.name,
      preferences: {
        ...found.preferences,
        ...(locale === undefined ? {} : { locale }),
        ...(timeZone === undefined ? {} : { time_zone: timeZone }),
        ...(theme === undefined ? {} : { theme }),
      },
    },
    ifMatch: etag ?? '*',
  });
  sayProfile(terminal, profile);
}

function sayProfile(terminal: Terminal, profile: ResponseBody<'getProfile'>): void {
  if (terminal.json) {
    terminal.document(profile);
    return;
  }
  const { locale, time_zone, theme } = profile.preferences;
  terminal.out(
    facts(terminal, [
      ...userFacts(profile.user),
      ['locale', locale ?? null],
      ['time zone', time_zone ?? null],
      ['theme', theme ?? null],
    ]),
  );
}
