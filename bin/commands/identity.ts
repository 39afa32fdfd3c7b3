import { type Client, createClient } from '#client/client.ts';
import type { Body, ResponseBody } from '#contract/routes.ts';
import { CliError } from '../cli-error.ts';
import { forgetSignIn, keepSignIn, readDeviceToken, readSignIn } from '../credentials.ts';
import { facts } from '../output/facts.ts';
import { table } from '../output/table.ts';
import type { Terminal } from '../output/terminal.ts';
import { instant, printable } from '../output/text.ts';
import { ask, secretFromStdin } from '../prompt.ts';
import type { Place } from '../session.ts';

export interface LoginOptions {
  readonly tenant?: string;
  readonly email?: string;
  readonly passwordStdin?: true;
  readonly code?: string;
  readonly mode: 'live' | 'test';
}

/** Signs in and remembers it for the commands that follow. The local stack's owner needs no options. */
export async function login(
  terminal: Terminal,
  { baseUrl, stack }: Place,
  options: LoginOptions,
): Promise<void> {
  const client = createClient({ baseUrl });
  const known = options.email === undefined && options.tenant === undefined ? stack?.admin : null;
  const tenant =
    options.tenant ??
    known?.tenant ??
    (await ask('tenant', { hidden: false, instead: '--tenant' }));
  const email =
    options.email ?? known?.email ?? (await ask('address', { hidden: false, instead: '--email' }));
  const password = options.passwordStdin
    ? await secretFromStdin()
    : (known?.password ?? (await ask('password', { hidden: true, instead: '--password-stdin' })));
  const deviceToken = await readDeviceToken(baseUrl);
  const answer = await client.login({
    body: {
      tenant,
      email,
      password,
      mode: options.mode,
      device: 'cloudflow command line',
      ...(deviceToken === null ? {} : { device_token: deviceToken }),
    },
  });
  await finishLogin(terminal, baseUrl, answer, { ...options, tenant });
  if (known !== null && known !== undefined && options.mode === 'live' && !terminal.json) {
    terminal.out(
      '\nWhat `npm start` ran is in mode test: `cloudflow login --mode test` shows it.\n',
    );
  }
}

/** The second factor, where one is asked for; then it is remembered, and said who signed in. */
export async function finishLogin(
  terminal: Terminal,
  baseUrl: string,
  answer: ResponseBody<'login'>,
  of: { readonly tenant: string; readonly mode: 'live' | 'test'; readonly code?: string },
): Promise<void> {
  const tokens =
    'mfa_token' in answer
      ? await createClient({ baseUrl }).verifySecondFactor({
          body: {
            mfa_token: answer.mfa_token,
            code:
              of.code ??
              (await ask('code of the authenticator', { hidden: false, instead: '--code' })),
          },
        })
      : answer;
  const client = createClient({ baseUrl, credential: tokens.access_token });
  const { user } = await client.whoAmI();
  if (user === null) throw new TypeError('a session is of nobody');
  await keepSignIn(baseUrl, {
    tenant: of.tenant,
    email: user.email,
    mode: of.mode,
    accessToken: tokens.access_token,
    accessEndsAt: Date.now() + tokens.expires_in * 1_000,
    refreshToken: tokens.refresh_token,
    deviceToken: tokens.device_token ?? (await readDeviceToken(baseUrl)),
  });
  await whoami(terminal, client);
}

/** Ends the session there and forgets it here; without one there is nothing to do. */
export async function logout(
  terminal: Terminal,
  { baseUrl }: Place,
  client: Client,
): Promise<void> {
  const signIn = await readSignIn(baseUrl);
  if (signIn === null) throw new CliError('failed', 'NOT_SIGNED_IN', `not signed in at ${baseUrl}`);
  await client.logout();
  await forgetSignIn(baseUrl);
  if (terminal.json) terminal.document({ signed_out: signIn.email });
  else terminal.out(`${printable(signIn.email)} is signed out\n`);
}

export async function whoami(terminal: Terminal, client: Client): Promise<void> {
  const me = await client.whoAmI();
  if (terminal.json) {
    terminal.document(me);
    return;
  }
  const line = (name: string, text: string) =>
    terminal.out(`${terminal.style('bold', name.padEnd(12))} ${printable(text)}\n`);
  line('who', me.user === null ? `API key ${me.subject.slice('key:'.length)}` : me.user.email);
  line('tenant', `${me.tenant}, mode ${me.mode}`);
  if (me.user !== null) line('roles', me.user.roles.join(', '));
  line('may', me.permissions.join(', '));
  if (me.user !== null) {
    const at = me.second_factor_at;
    line('2nd factor', at === null ? 'not in this session' : `proven at ${instant(at)} UTC`);
  }
}

export async function keys(terminal: Terminal, client: Client): Promise<void> {
  const page = await client.listApiKeys();
  if (terminal.json) {
    terminal.document(page);
    return;
  }
  if (page.items.length === 0) {
    terminal.out('there are no keys\n');
    return;
  }
  terminal.out(
    table(
      terminal,
      ['id', 'name', 'mode', 'may', 'last used (UTC)', 'state'],
      page.items.map((key) => [
        key.key_id,
        key.name,
        key.mode,
        key.scopes.join(', '),
        key.last_used_at === null ? 'never' : instant(key.last_used_at),
        stateOf(key),
      ]),
    ),
  );
}

export async function showKey(terminal: Terminal, client: Client, id: string): Promise<void> {
  const key = await client.getApiKey({ key_id: id });
  if (terminal.json) {
    terminal.document(key);
    return;
  }
  const { last_used_at: used } = key;
  terminal.out(
    facts(terminal, [
      ['key', key.key_id],
      ['name', key.name],
      ['mode', key.mode],
      ['may', key.scopes.join(', ')],
      ['for', key.workflows === null ? 'every workflow' : key.workflows.join(', ')],
      ['requests', `${key.requests_per_minute ?? 'as many as is usual'}, in a minute`],
      ['made', `${instant(key.created_at)} UTC`],
      ['last used', used === null ? 'never' : `${instant(used)} UTC`],
      ['state', stateOf(key)],
    ]),
  );
}

function stateOf(key: ResponseBody<'getApiKey'>): string {
  if (key.revoked_at !== null) return 'revoked';
  return key.expires_at === null ? 'good' : `until ${instant(key.expires_at)}`;
}

export interface NewKeyOptions {
  readonly mode: 'live' | 'test';
  readonly scope: readonly string[];
  readonly workflow?: readonly string[];
}

/** The text of a key is said once, here: nobody can ask for it again. */
export async function createKey(
  terminal: Terminal,
  client: Client,
  name: string,
  { mode, scope, workflow }: NewKeyOptions,
): Promise<void> {
  const body: Body<'createApiKey'> = {
    name,
    mode,
    // Checked by the platform, which says what is allowed.
    scopes: scope as Body<'createApiKey'>['scopes'],
    ...(workflow === undefined ? {} : { workflows: [...workflow] }),
  };
  sayKey(terminal, await client.createApiKey({ body }));
}

export async function rotateKey(terminal: Terminal, client: Client, id: string): Promise<void> {
  sayKey(terminal, await client.rotateApiKey({ key_id: id }));
}

function sayKey(terminal: Terminal, created: ResponseBody<'createApiKey'>): void {
  if (terminal.json) {
    terminal.document(created);
    return;
  }
  terminal.out(`${created.api_key}\n`);
  terminal.err(`${terminal.style('dim', 'keep it: it is shown this once')}\n`);
}

export async function revokeKey(terminal: Terminal, client: Client, id: string): Promise<void> {
  await client.revokeApiKey({ key_id: id });
  if (terminal.json) terminal.document({ revoked: id });
  else terminal.out(`key ${printable(id)} is revoked\n`);
}
