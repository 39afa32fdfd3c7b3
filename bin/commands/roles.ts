import type { Client } from '#client/client.ts';
import type { Body } from '#contract/routes.ts';
import { CliError } from '../cli-error.ts';
import { facts } from '../output/facts.ts';
import { listed, told } from '../output/pages.ts';
import type { Terminal } from '../output/terminal.ts';
import { instant, printable } from '../output/text.ts';

export async function listRoles(
  terminal: Terminal,
  client: Client,
  query: { readonly limit: number },
): Promise<void> {
  listed(terminal, await client.listRoles({ query }), {
    none: 'there are no roles',
    headings: ['name', 'whose', 'about', 'allows'],
    row: ({ name, built_in, about, scopes }) => [
      name,
      built_in ? 'everybody’s' : 'your own',
      about,
      scopes.join(', '),
    ],
    more: '--limit shows more',
  });
}

export async function listPermissions(terminal: Terminal, client: Client): Promise<void> {
  const { permissions } = await client.listPermissions();
  if (terminal.json) {
    terminal.document({ permissions });
    return;
  }
  listed(
    terminal,
    { items: permissions },
    {
      none: 'there are no permissions',
      headings: ['permission', '2nd factor', 'allows to'],
      row: ({ permission, administrative, about }) => [
        permission,
        administrative ? 'asked for' : '',
        about,
      ],
      more: '',
    },
  );
}

export async function showRole(terminal: Terminal, client: Client, name: string): Promise<void> {
  const role = await client.getRole({ role: name });
  if (terminal.json) {
    terminal.document(role);
    return;
  }
  const { updated_at } = role;
  terminal.out(
    facts(terminal, [
      ['role', role.name],
      ['about', role.about],
      ['whose', role.built_in ? 'of every tenant, and the same in each' : 'of this tenant'],
      ['allows', role.scopes.join(', ') || 'nothing'],
      ['changed', updated_at === null ? null : `${instant(updated_at)} UTC`],
    ]),
  );
}

export interface RoleOptions {
  readonly about?: string;
  readonly scope?: readonly string[];
}

type Scopes = Body<'createRole'>['scopes'];

export async function createRole(
  terminal: Terminal,
  client: Client,
  name: string,
  { about, scope }: RoleOptions,
): Promise<void> {
  // Scopes are checked by the platform, which says what is allowed.
  const body = { name, about: about ?? '', scopes: [...(scope ?? [])] as Scopes };
  const role = await client.createRole({ body });
  told(
    terminal,
    role,
    `role ${printable(role.name)} allows ${role.scopes.join(', ') || 'nothing'}`,
  );
}

/** What is not said stays as it is; what somebody else has changed meanwhile is not overwritten. */
export async function updateRole(
  terminal: Terminal,
  client: Client,
  name: string,
  { about, scope }: RoleOptions,
): Promise<void> {
  if (about === undefined && scope === undefined) {
    throw new CliError('usage', 'USAGE', 'nothing is to be changed; use --about or --scope');
  }
  const { body: found, etag } = await client.send('getRole', { role: name });
  const role = await client.updateRole({
    role: name,
    body: { about: about ?? found.about, scopes: [...(scope ?? found.scopes)] as Scopes },
    ifMatch: etag ?? '*',
  });
  told(
    terminal,
    role,
    `role ${printable(role.name)} allows ${role.scopes.join(', ') || 'nothing'}`,
  );
}

export async function deleteRole(terminal: Terminal, client: Client, name: string): Promise<void> {
  await client.deleteRole({ role: name });
  told(terminal, { deleted: name }, `role ${printable(name)} is deleted`);
}
