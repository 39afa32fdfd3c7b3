import type { Client } from '#client/client.ts';
import { table } from '../output/table.ts';
import type { Terminal } from '../output/terminal.ts';
import { instant, printable } from '../output/text.ts';

export interface Whose {
  /** Left out: of whoever is signed in. */
  readonly user?: string;
}

/** Whom somebody is at identity providers. */
export async function identities(
  terminal: Terminal,
  client: Client,
  { user }: Whose,
): Promise<void> {
  const found =
    user === undefined
      ? await client.listMyIdentities()
      : await client.listIdentities({ user_id: user });
  if (terminal.json) {
    terminal.document(found);
    return;
  }
  if (found.items.length === 0) {
    terminal.out('signs in here only\n');
    return;
  }
  terminal.out(
    table(
      terminal,
      ['provider', 'kind', 'state', 'known there as', 'linked (UTC)'],
      found.items.map((identity) => [
        identity.provider,
        identity.kind,
        identity.enabled ? 'on' : 'off',
        identity.subject,
        instant(identity.linked_at),
      ]),
    ),
  );
}

export async function removeIdentity(
  terminal: Terminal,
  client: Client,
  provider: string,
  { user }: Whose,
): Promise<void> {
  if (user === undefined) await client.removeMyIdentity({ provider });
  else await client.removeIdentity({ user_id: user, provider });
  if (terminal.json) terminal.document({ unlinked: provider });
  else
    terminal.out(`unlinked from ${printable(provider)}; sessions that came through it are over\n`);
}
