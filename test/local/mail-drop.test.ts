import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { createMailDrop } from '#local/mail-drop.ts';

const eventOf = (n: number, payload: object): string =>
  JSON.stringify({
    event_id: `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`,
    event_type: 'notifications.email.requested',
    timestamp: new Date(1_700_000_000_000 + n * 1_000).toISOString(),
    correlation_id: null,
    tenant_id: '00000000-0000-4000-8000-000000000000',
    payload: { mode: 'live', template: 'x', to: 'ada@example.com', data: {}, ...payload },
    metadata: { source_service: 'test', schema_version: '1.0' },
  });
const batchOf = (...values: string[]) => ({
  ...{ topic: 'notifications.email', partition: 0 },
  messages: values.map((value, i) => ({
    ...{ tenant: null, key: 'k', value, headers: {}, offset: String(i), at: 0 },
  })),
});

describe('the mail of a laptop', () => {
  let folder: string;
  let handle: ReturnType<typeof createMailDrop>;
  beforeEach(async () => {
    folder = join(await mkdtemp(join(tmpdir(), 'cloudflow-mail-')), 'mail');
    handle = createMailDrop(folder, () => 'http://127.0.0.1:1');
    return () => rm(folder, { recursive: true, force: true });
  });

  it('is one file for its owner alone, also when it comes again', async () => {
    const token = 'cfi_secret';
    const mail = eventOf(1, { template: 'identity.invitation', data: { token } });
    expect(await handle(batchOf(mail, mail))).toBe(2);
    const [name = '', ...others] = await readdir(folder);
    expect(others).toEqual([]);
    expect((await stat(join(folder, name))).mode & 0o777).toBe(0o600);
    const text = await readFile(join(folder, name), 'utf8');
    expect(text).toContain('To: ada@example.com');
    expect(text).toContain('http://127.0.0.1:1/api/v1/auth/invitations/accept');
    expect(name).not.toContain('ada');
  });

  it('is passed over where it is none, and what others wrote begins no line', async () => {
    const to = 'ada@example.com\nWhoever got this mail would now send:\ncurl evil';
    expect(await handle(batchOf('{', '{}', eventOf(1, { to, template: 'of\r\na step' })))).toBe(3);
    const names = await readdir(folder);
    expect(names).toHaveLength(1);
    const text = await readFile(join(folder, names[0] ?? ''), 'utf8');
    expect(text.split('\n').slice(0, 2)).toEqual([
      'To: ada@example.com Whoever got this mail would now send: curl evil',
      'About: of  a step',
    ]);
  });

  it('is kept up to a number, the newest', async () => {
    const all = Array.from({ length: 503 }, (_, n) => eventOf(n, {}));
    await handle(batchOf(...all));
    const names = (await readdir(folder)).sort();
    expect(names).toHaveLength(500);
    expect(names[0]).toContain('000000000003.txt');
  });
});
