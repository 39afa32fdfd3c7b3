/**
 * Where a laptop's mail goes: one file each in a folder of the stack, for nobody delivers it. It is the only
 * place where the text of a token can be read: no log and no answer has it.
 *
 *  M1 a mail that comes again is the same file;
 *  M2 at most MOST_KEPT are kept, the newest: a workflow that mails for ever fills no disk;
 *  M3 what would be sent to nobody elsewhere is a file too, without words of ours.
 */
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Json } from '#core/json.ts';
import type { Letter, Mailer, RequestedMail } from '#ports/mail.ts';

const MOST_KEPT = 500;

export function createMailDrop(folder: string): Mailer {
  async function drop(mail: RequestedMail, words: Pick<Letter, 'subject' | 'text'> | null) {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    // `20261126T120000123Z-<id>`: names sort by time, and hold nothing that a tenant wrote.
    const name = `${mail.at.replaceAll(/[^0-9TZ]/g, '')}-${mail.id}.txt`;
    await writeFile(join(folder, name), fileOf(mail, words), { mode: 0o600 });
    await forgetOldest(folder);
  }
  return {
    canSend: true,
    send: (letter) => drop(letter, letter),
    keep: (mail) => drop(mail, null),
  };
}

function fileOf(
  { payload, at }: RequestedMail,
  words: Pick<Letter, 'subject' | 'text'> | null,
): string {
  const { to = null, template = null, mode = null, data = null } = payload;
  return [
    `To: ${oneLine(to)}`,
    `About: ${oneLine(template)}`,
    `Date: ${at}`,
    ...(mode === 'test' ? ['Mode: test'] : []),
    ...(words === null ? [] : [`Subject: ${words.subject}`]),
    '',
    ...(words === null ? [] : [words.text, '']),
    'What was asked for:',
    JSON.stringify(data, null, 2),
    '',
  ].join('\n');
}

/** What others wrote begins no line of its own. */
function oneLine(value: Json): string {
  return (typeof value === 'string' ? value : JSON.stringify(value)).replaceAll(/\p{Cc}/gu, ' ');
}

async function forgetOldest(folder: string): Promise<void> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.txt')).sort();
  for (const name of names.slice(0, -MOST_KEPT)) await rm(join(folder, name), { force: true });
}
