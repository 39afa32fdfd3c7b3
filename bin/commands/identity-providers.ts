import type { Client } from '#client/client.ts';
import type { Body, ResponseBody } from '#contract/routes.ts';
import type { JsonObject } from '#core/json.ts';
import { nameIn, objectIn } from '../input.ts';
import { facts } from '../output/facts.ts';
import { told } from '../output/pages.ts';
import { table } from '../output/table.ts';
import type { Terminal } from '../output/terminal.ts';
import { instant, printable } from '../output/text.ts';
import { secretFromStdin } from '../prompt.ts';

export async function identityProviders(terminal: Terminal, client: Client): Promise<void> {
  const page = await client.listIdentityProviders({ query: { limit: 200 } });
  if (terminal.json) {
    terminal.document(page);
    return;
  }
  if (page.items.length === 0) {
    terminal.out('people sign in here only\n');
    return;
  }
  terminal.out(
    table(
      terminal,
      ['name', 'kind', 'state', 'speaks for', 'who is new gets', 'callback'],
      page.items.map((provider) => [
        provider.name,
        provider.protocol.kind,
        provider.enabled ? 'on' : 'off',
        provider.email_domains.join(', '),
        provider.default_roles === null ? 'no way in' : provider.default_roles.join(', '),
        provider.callback_url,
      ]),
    ),
  );
}

export async function showIdentityProvider(
  terminal: Terminal,
  client: Client,
  name: string,
): Promise<void> {
  const provider = await client.getIdentityProvider({ provider: name });
  if (terminal.json) {
    terminal.document(provider);
    return;
  }
  const { protocol, secret_set_at: set, default_roles: roles } = provider;
  terminal.out(
    facts(terminal, [
      ['name', `${provider.name}, ${provider.enabled ? 'on' : 'off'}`],
      ['kind', protocol.kind],
      ['asked at', askedAt(protocol)],
      ['speaks for', provider.email_domains.join(', ') || 'no address'],
      ['who is new', roles === null ? 'does not get in' : `gets ${roles.join(', ') || 'no role'}`],
      ['2nd factor', provider.trusts_mfa ? 'what was proven there counts' : 'is proven here'],
      [
        'secret',
        provider.has_secret ? (set === null ? 'set' : `set ${instant(set)} UTC`) : 'there is none',
      ],
      ['callback', provider.callback_url],
      ['changed', `${instant(provider.updated_at)} UTC`],
    ]),
  );
}

function askedAt(protocol: ResponseBody<'getIdentityProvider'>['protocol']): string {
  switch (protocol.kind) {
    case 'oidc':
      return protocol.issuer;
    case 'oauth2':
      return protocol.authorize_url;
    case 'saml':
      return protocol.sso_url;
  }
}

interface SecretFrom {
  readonly secretStdin?: true;
}

/** Out of a JSON file, as the API takes it; the secret comes apart from it, so that a file may be kept. */
export async function createIdentityProvider(
  terminal: Terminal,
  client: Client,
  file: string,
  options: SecretFrom,
): Promise<void> {
  const body = await bodyOf(file, options);
  // Checked by the platform, which says what is allowed and where.
  const made = await client.createIdentityProvider({
    body: body as unknown as Body<'createIdentityProvider'>,
  });
  if (terminal.json) terminal.document(made);
  else {
    terminal.out(`${printable(made.name)} is connected; register this with it:\n`);
    terminal.out(`${made.callback_url}\n`);
  }
}

export async function updateIdentityProvider(
  terminal: Terminal,
  client: Client,
  file: string,
  options: SecretFrom,
): Promise<void> {
  const { name, ...body } = await bodyOf(file, options);
  const made = await client.updateIdentityProvider({
    provider: nameIn(file, name),
    body: body as unknown as Body<'updateIdentityProvider'>,
    ifMatch: '*',
  });
  told(terminal, made, `${printable(made.name)} is replaced`);
}

async function bodyOf(file: string, options: SecretFrom): Promise<JsonObject> {
  const body = objectIn(file);
  return options.secretStdin ? { ...body, client_secret: await secretFromStdin() } : body;
}

export async function deleteIdentityProvider(
  terminal: Terminal,
  client: Client,
  name: string,
): Promise<void> {
  await client.deleteIdentityProvider({ provider: name });
  if (terminal.json) terminal.document({ deleted: name });
  else terminal.out(`nobody signs in through ${printable(name)} any more\n`);
}
