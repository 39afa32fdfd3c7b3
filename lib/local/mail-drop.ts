/**
 * Where a laptop's mail goes: one file each in a folder of the stack, for nobody delivers it. It is the only
 * place where the text of a token can be read: no log and no answer has it.
 *
 *  M1 a mail that comes again is the same file;
 *  M2 at most MOST_KEPT are kept, the newest: a workflow that mails for ever fills no disk;
 *  M3 what cannot be read as a mail is passed over: it is in the log of events, as it came.
 */
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { routes } from '#contract/routes.ts';
import { parseEvent } from '#core/events/parse.ts';
import { isJsonObject, type Json, type JsonObject } from '#core/json.ts';
import type { LogReader } from '#ports/event-log.ts';

const MOST_KEPT = 500;

/** What whoever got the mail does with its token. */
const ANSWERS: Readonly<Record<string, { readonly path: string; readonly more: JsonObject }>> = {
  'identity.invitation': {
    path: routes.acceptInvitation.path,
    more: { password: 'choose a long one' },
  },
  'identity.reset_password': {
    path: routes.resetPassword.path,
    more: { new_password: 'choose a long one' },
  },
  'identity.confirm_address': { path: routes.confirmAddress.path, more: {} },
};

export function createMailDrop(folder: string, baseUrl: () => string): LogReader['handle'] {
  return async ({ messages }) => {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    for (const { value } of messages) {
      const parsed = parseEvent(value);
      if (parsed.kind !== 'event') continue;
      const { event_id, timestamp, payload } = parsed.event;
      // `20261126T120000123Z-<id>`: names sort by time, and hold nothing that a tenant wrote.
      const name = `${timestamp.replaceAll(/[^0-9TZ]/g, '')}-${event_id}.txt`;
      const text = letterOf(payload as unknown as JsonObject, timestamp, baseUrl());
      await writeFile(join(folder, name), text, { mode: 0o600 });
    }
    await forgetOldest(folder);
    return messages.length;
  };
}

function letterOf(payload: JsonObject, at: string, baseUrl: string): string {
  const { to = null, template = null, mode = null, data = null } = payload;
  const lines = [
    `To: ${oneLine(to)}`,
    `About: ${oneLine(template)}`,
    `Date: ${at}`,
    ...(mode === 'test' ? ['Mode: test'] : []),
    '',
    JSON.stringify(data, null, 2),
    '',
  ];
  const answer = typeof template === 'string' ? ANSWERS[template] : undefined;
  const token = isJsonObject(data) ? data['token'] : undefined;
  if (answer !== undefined && typeof token === 'string') {
    const body = JSON.stringify({ token, ...answer.more });
    lines.push(
      'Whoever got this mail would now send:',
      '',
      `curl -s ${baseUrl}${answer.path} -H 'Content-Type: application/json' -d '${body}'`,
      '',
    );
  }
  return lines.join('\n');
}

/** What others wrote begins no line of its own. */
function oneLine(value: Json): string {
  return (typeof value === 'string' ? value : JSON.stringify(value)).replaceAll(/\p{Cc}/gu, ' ');
}

async function forgetOldest(folder: string): Promise<void> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.txt')).sort();
  for (const name of names.slice(0, -MOST_KEPT)) await rm(join(folder, name), { force: true });
}
