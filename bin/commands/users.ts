import type { Client } from '#client/client.ts';
import type { Query, ResponseBody } from '#contract/routes.ts';
import { CliError } from '../cli-error.ts';
import { facts } from '../output/facts.ts';
import { listed, told } from '../output/pages.ts';
import type { Terminal } from '../output/terminal.ts';
import { instant, printable } from '../output/text.ts';

type User = ResponseBody<'getUser'>;

export interface UserListOptions {
  readonly text?: string;
  readonly role?: string;
  readonly status?: NonNullable<Query<'listUsers'>['status']>;
  readonly limit: number;
}

export async function users(
  terminal: Terminal,
  client: Client,
  options: UserListOptions,
): Promise<void> {
  listed(terminal, await client.listUsers({ query: options }), {
    none: 'no user is like that',
    headings: ['id', 'address', 'status', 'roles', 'last signed in (UTC)'],
    row: (user) => [
      user.user_id,
      user.email,
      user.status,
      user.roles.join(', '),
      user.last_signed_in_at === null ? 'never' : instant(user.last_signed_in_at),
    ],
    more: 'use --text or --limit',
  });
}

export async function showUser(terminal: Terminal, client: Client, id: string): Promise<void> {
  const user = await client.getUser({ user_id: id });
  if (terminal.json) terminal.document(user);
  else terminal.out(facts(terminal, userFacts(user)));
}

/** What is said of a user, to others and to themselves. */
export function userFacts(user: User): [string, string | null][] {
  const { last_signed_in_at: last } = user;
  return [
    ['user', user.user_id],
    ['address', `${user.email}${user.email_verified ? '' : ', not confirmed'}`],
    ['name', user.name],
    ['status', user.status],
    ['roles', user.roles.join(', ') || 'none'],
    ['2nd factor', user.mfa_enrolled ? 'enrolled' : 'none'],
    ['signed in', last === null ? 'never' : `${instant(last)} UTC`],
  ];
}

export async function invite(
  terminal: Terminal,
  client: Client,
  email: string,
  options: { readonly role?: readonly string[]; readonly name?: string },
): Promise<void> {
  const user = await client.inviteUser({
    body: {
      email,
      roles: [...(options.role ?? [])],
      ...(options.name === undefined ? {} : { name: options.name }),
    },
  });
  told(terminal, user, `${printable(user.email)} is invited: user ${user.user_id}`);
}

/** Whoever has not accepted theirs, also after it has expired. */
export async function inviteAgain(terminal: Terminal, client: Client, id: string): Promise<void> {
  const user = await client.inviteAgain({ user_id: id });
  told(terminal, user, `${printable(user.email)} is invited again`);
}

export interface UserChange {
  readonly role?: readonly string[];
  /** False: none. */
  readonly roles?: boolean;
  readonly name?: string;
}

/** What is not said stays as it is; what somebody else has changed meanwhile is not overwritten. */
export async function updateUser(
  terminal: Terminal,
  client: Client,
  id: string,
  { role, roles, name }: UserChange,
): Promise<void> {
  if (role === undefined && roles !== false && name === undefined) {
    throw new CliError(
      'usage',
      'USAGE',
      'nothing is to be changed; use --role, --no-roles or --name',
    );
  }
  if (role !== undefined && roles === false) {
    throw new CliError('usage', 'USAGE', '--role and --no-roles contradict each other; give one');
  }
  const { body: found, etag } = await client.send('getUser', { user_id: id });
  const user = await client.updateUser({
    user_id: id,
    body: {
      name: name ?? found.name,
      roles: roles === false ? [] : [...(role ?? found.roles)],
    },
    ifMatch: etag ?? '*',
  });
  told(
    terminal,
    user,
    `${printable(user.email)} has ${user.roles.length === 0 ? 'no role' : `the roles ${printable(user.roles.join(', '))}`}`,
  );
}

export async function deactivateUser(
  terminal: Terminal,
  client: Client,
  id: string,
): Promise<void> {
  const user = await client.deactivateUser({ user_id: id });
  told(terminal, user, `${printable(user.email)} is signed out everywhere and signs in no more`);
}

export async function activateUser(terminal: Terminal, client: Client, id: string): Promise<void> {
  const user = await client.activateUser({ user_id: id });
  const invited = user.status === 'invited';
  told(
    terminal,
    user,
    `${printable(user.email)} ${invited ? 'never accepted an invitation, and is sent another one' : 'may sign in again'}`,
  );
}

export async function resetSecondFactor(
  terminal: Terminal,
  client: Client,
  id: string,
): Promise<void> {
  const user = await client.resetSecondFactor({ user_id: id });
  told(terminal, user, `${printable(user.email)} has no authenticator any more and is signed out`);
}
