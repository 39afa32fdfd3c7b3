import type { Client } from '#client/client.ts';
import { forgetSignIn, readSignIn } from '../credentials.ts';
import { listed, told } from '../output/pages.ts';
import type { Terminal } from '../output/terminal.ts';
import { instant } from '../output/text.ts';
import type { Place } from '../session.ts';

export interface SessionListOptions {
  /** Of a user, by id. */
  readonly user?: string;
  readonly anyUser?: true;
  readonly limit: number;
}

/** Where whoever calls is signed in, or others. */
export async function listSessions(
  terminal: Terminal,
  client: Client,
  { user, anyUser, limit }: SessionListOptions,
): Promise<void> {
  const page =
    user === undefined && anyUser !== true
      ? await client.listMySessions({ query: { limit } })
      : await client.listSessions({
          query: { limit, ...(user === undefined ? {} : { user_id: user }) },
        });
  listed(terminal, page, {
    none: 'nobody is signed in',
    headings: ['id', 'user', 'mode', 'last used (UTC)', 'until (UTC)', 'from', 'device'],
    row: (session) => [
      session.session_id,
      session.user_id,
      session.mode,
      instant(session.last_used_at),
      instant(session.expires_at),
      session.source ?? '',
      `${session.device ?? session.user_agent ?? ''}${session.current ? ' (this one)' : ''}`,
    ],
    more: '--limit shows more',
  });
}

/** Ends one: of whoever calls, or of anybody. */
export async function endSession(
  terminal: Terminal,
  client: Client,
  id: string,
  { anyUser }: { readonly anyUser?: true },
): Promise<void> {
  if (anyUser === true) await client.revokeSession({ session_id: id });
  else await client.revokeMySession({ session_id: id });
  told(terminal, { ended: id }, `session ${id} is over`);
}

/** Ends all of whoever calls, and forgets the one that this command line had. */
export async function endMySessions(
  terminal: Terminal,
  { baseUrl }: Place,
  client: Client,
): Promise<void> {
  await client.revokeMySessions();
  if ((await readSignIn(baseUrl)) !== null) await forgetSignIn(baseUrl);
  told(terminal, { ended: 'all' }, 'every session of yours is over, this one too');
}
