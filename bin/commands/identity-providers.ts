import type { Client } from '#client/client.ts';
import type { Body } from '#contract/routes.ts';
import { parseSource, readSource } from '../input.ts';
import { table } from '../output/table.ts';
import type { Terminal } from '../output/terminal.ts';
import { printable } from '../output/text.ts';
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

/** Out of a JSON file, as the API takes it; the secret comes apart from it, so that a file may be kept. */
export async function createIdentityProvider(
  terminal: Terminal,
  client: Client,
  file: string,
  options: { readonly secretStdin?: true },
): Promise<void> {
  // Checked by the platform, which says what is allowed and where.
  const body = parseSource(readSource(file)) as unknown as Body<'createIdentityProvider'>;
  const secret = options.secretStdin ? { client_secret: await secretFromStdin() } : {};
  const made = await client.createIdentityProvider({ body: { ...body, ...secret } });
  if (terminal.json) terminal.document(made);
  else {
    terminal.out(`${printable(made.name)} is connected; register this with it:\n`);
    terminal.out(`${made.callback_url}\n`);
  }
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
