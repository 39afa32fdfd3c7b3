import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type PlatformWorld, startWorld } from '#test/integration/platform-world.ts';
import { createTestDatabase, describeWithPostgres } from '#test/support/database.ts';
import { cloudflow, type Ended, inProcess } from './cli-process.ts';

describeWithPostgres('connections on the command line', () => {
  let world: PlatformWorld;
  let folder = '';
  let where: string[] = [];

  beforeAll(async () => {
    world = await startWorld((await createTestDatabase()).url);
    folder = await mkdtemp(join(tmpdir(), 'cloudflow-connections-'));
    where = ['--url', world.platform.baseUrl, '--api-key', world.platform.apiKey];
  });
  afterAll(async () => {
    await world?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const cli = (...args: string[]): Promise<Ended> => inProcess([...args, ...where]);
  const piped = (stdin: string, ...args: string[]): Promise<Ended> =>
    cloudflow([...args, ...where], { stdin });
  async function file(content: unknown): Promise<string> {
    const path = join(folder, 'body.json');
    await writeFile(path, JSON.stringify(content));
    return path;
  }
  const SECRET = 'the-value-that-nobody-sees';
  const mailer = (base: string) => ({
    name: 'mailer',
    connection: {
      type: 'http',
      base_url: base,
      auth: { scheme: 'bearer', secret: 'mailer-token' },
    },
  });

  it('are registered with secrets from stdin, which nothing shows, listed and seen', async () => {
    expect((await cli('connections', 'list')).stdout).toBe('there are no connections\n');
    const path = await file(mailer('https://mail.example.com/v2'));
    const made = await piped(
      JSON.stringify({ 'mailer-token': SECRET }),
      ...['connections', 'create', path, '--secrets-stdin'],
    );
    expect(made).toMatchObject({
      ...{ status: 0, stderr: '' },
      stdout: 'connection mailer is registered\n',
    });
    const list = await cli('connections', 'list');
    expect(list.stdout).toMatch(
      /^mailer +http .* mailer-token +https:\/\/mail\.example\.com\/v2$/m,
    );
    const shown = await cli('connections', 'show', 'mailer');
    expect(shown.stdout).toMatch(/^secret +mailer-token, set \d{4}-/m);
    const json = await cli('connections', 'show', 'mailer', '--json');
    expect(json.document).toMatchObject({ name: 'mailer', secret_names: ['mailer-token'] });
    expect(list.stdout + shown.stdout + json.stdout).not.toContain(SECRET);
  });

  it('are replaced with the secrets that they had, but not for somewhere else', async () => {
    const same = await file(mailer('https://mail.example.com/v3'));
    expect((await cli('connections', 'update', same)).stdout).toBe(
      'connection mailer is replaced\n',
    );
    const elsewhere = await file(mailer('https://elsewhere.example.com'));
    const refused = await cli('connections', 'update', elsewhere);
    expect([refused.status, refused.stderr]).toEqual([
      3,
      expect.stringContaining('CONNECTION_INVALID'),
    ]);
    const brought = await piped(
      JSON.stringify({ 'mailer-token': SECRET }),
      ...['connections', 'update', elsewhere, '--secrets-stdin', '--json'],
    );
    expect(brought.document).toMatchObject({
      connection: { base_url: 'https://elsewhere.example.com' },
    });
  });

  it('a secret that cannot be read is never shown, and none is an argument', async () => {
    const path = await file(mailer('https://mail.example.com'));
    for (const given of [`{"mailer-token": "${SECRET}"`, `["${SECRET}"]`, SECRET]) {
      const bad = await piped(given, 'connections', 'update', path, '--secrets-stdin');
      expect([bad.status, bad.stdout]).toEqual([2, '']);
      expect(bad.stderr).toContain('stdin is not a JSON object');
      expect(bad.stderr).not.toContain(SECRET);
    }
    // There is nobody to ask.
    const asked = await piped('', 'connections', 'update', path, '--secret', 'mailer-token');
    expect([asked.status, asked.stderr]).toEqual([
      2,
      expect.stringContaining(
        'no terminal to ask for the secret mailer-token; use --secrets-stdin',
      ),
    ]);
    const both = ['--secret', 'mailer-token', '--secrets-stdin'];
    expect((await piped('{}', 'connections', 'update', path, ...both)).status).toBe(2);
  });

  it('a file without a name, or that is no object, replaces nothing', async () => {
    const { name: _, ...nameless } = mailer('https://mail.example.com');
    const bad = await cli('connections', 'update', await file(nameless));
    expect([bad.status, bad.stderr]).toEqual([
      2,
      expect.stringContaining('has no "name" that says what is replaced'),
    ]);
    const list = await cli('connections', 'create', await file([]));
    expect([list.status, list.stderr]).toEqual([2, expect.stringContaining('not a JSON object')]);
  });

  it('have operations: registered, listed, seen, replaced, deleted', async () => {
    const crm = {
      name: 'crm',
      connection: {
        type: 'postgres',
        host: 'db.example.com',
        database: 'crm',
        login: { username: 'crm', secret: 'crm-password' },
      },
    };
    const made = await piped(
      JSON.stringify({ 'crm-password': SECRET }),
      ...['connections', 'create', await file(crm), '--secrets-stdin'],
    );
    expect(made.status).toBe(0);
    expect((await cli('connections', 'show', 'crm')).stdout).toMatch(
      /^leads to +db\.example\.com:5432\/crm$/m,
    );
    const operation = {
      name: 'find-account',
      access: 'read',
      statement: 'SELECT id\n  FROM accounts WHERE email = :email',
      parameters: {
        type: 'object',
        properties: { email: { type: 'string' } },
        required: ['email'],
      },
    };
    const created = await cli('operations', 'create', 'crm', await file(operation));
    expect(created.stdout).toBe('operation find-account of crm is registered\n');
    const list = await cli('operations', 'list', 'crm');
    expect(list.stdout).toMatch(/^find-account +read .* SELECT id FROM accounts WHERE/m);
    const shown = await cli('operations', 'show', 'crm', 'find-account');
    expect(shown.stdout).toContain(`\n\n${operation.statement}\n`);
    const replaced = await cli(
      ...['operations', 'update', 'crm', await file({ ...operation, max_rows: 7 }), '--json'],
    );
    expect(replaced.document).toMatchObject({ max_rows: 7 });
    const used = await cli('connections', 'delete', 'crm');
    expect([used.status, used.stderr]).toEqual([3, expect.stringContaining('CONFLICT')]);
    expect((await cli('operations', 'delete', 'crm', 'find-account')).status).toBe(0);
    expect((await cli('operations', 'list', 'crm')).stdout).toBe(
      'connection crm has no operations\n',
    );
    const deleted = await cli('connections', 'delete', 'crm');
    expect(deleted.stdout).toBe('connection crm is deleted, with its secrets\n');
    const gone = await cli('connections', 'show', 'crm');
    expect([gone.status, gone.stderr]).toEqual([3, expect.stringContaining('NOT_FOUND')]);
  });
});
