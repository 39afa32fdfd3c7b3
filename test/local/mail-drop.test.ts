import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { createMailDrop } from '#local/mail-drop.ts';
import type { Letter, Mailer, RequestedMail } from '#ports/mail.ts';
import { write } from '#services/notifications/letters.ts';

const aRequest = (n: number, payload: RequestedMail['payload']): RequestedMail => ({
  id: `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`,
  at: new Date(1_700_000_000_000 + n * 1_000).toISOString(),
  tenant: '00000000-0000-4000-8000-000000000000',
  mode: 'live',
  payload: { mode: 'live', template: 'x', to: 'ada@example.com', data: {}, ...payload },
});
const aLetter = (n: number, data: RequestedMail['payload']): Letter => {
  const template = 'identity.invitation';
  return {
    ...aRequest(n, { template, data }),
    ...{ template, to: 'ada@example.com' },
    ...write(template, data, 'http://127.0.0.1:1'),
  };
};

describe('the mail of a laptop', () => {
  let folder: string;
  let mailer: Mailer;
  beforeEach(async () => {
    folder = join(await mkdtemp(join(tmpdir(), 'cloudflow-mail-')), 'mail');
    mailer = createMailDrop(folder);
    return () => rm(folder, { recursive: true, force: true });
  });

  it('is one file for its owner alone, also when it comes again', async () => {
    const letter = aLetter(1, { token: 'cfi_secret' });
    await mailer.send(letter);
    await mailer.send(letter);
    const [name = '', ...others] = await readdir(folder);
    expect(others).toEqual([]);
    expect((await stat(join(folder, name))).mode & 0o777).toBe(0o600);
    const text = await readFile(join(folder, name), 'utf8');
    expect(text).toContain('To: ada@example.com');
    expect(text).toContain('Subject: You are invited to CloudFlow');
    expect(text).toContain('http://127.0.0.1:1/api/v1/auth/invitations/accept');
    expect(text).toContain('"token": "cfi_secret"');
    expect(name).not.toContain('ada');
  });

  it('has what would be sent to nobody too, and what others wrote begins no line', async () => {
    const to = 'ada@example.com\nWho has no page for it sends:\ncurl evil';
    await mailer.keep(aRequest(1, { to, template: 'of\r\na step' }), 'no_template');
    const names = await readdir(folder);
    expect(names).toHaveLength(1);
    const text = await readFile(join(folder, names[0] ?? ''), 'utf8');
    expect(text.split('\n').slice(0, 2)).toEqual([
      'To: ada@example.com Who has no page for it sends: curl evil',
      'About: of  a step',
    ]);
  });

  it('is kept up to a number, the newest', async () => {
    for (let n = 0; n < 503; n++) await mailer.keep(aRequest(n, {}), 'no_template');
    const names = (await readdir(folder)).sort();
    expect(names).toHaveLength(500);
    expect(names[0]).toContain('000000000003.txt');
  });
});
