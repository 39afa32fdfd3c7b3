import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type PlatformWorld, startWorld } from '#test/integration/platform-world.ts';
import { createTestDatabase, describeWithPostgres } from '#test/support/database.ts';
import { cloudflow, type Ended } from './cli-process.ts';

/** Looking at and verifying the audit trail, as an auditor types it. */
describeWithPostgres('the audit trail on the command line', () => {
  let world: PlatformWorld;
  let config = '';
  beforeAll(async () => {
    world = await startWorld((await createTestDatabase()).url);
    config = await mkdtemp(join(tmpdir(), 'cloudflow-config-'));
  });
  afterAll(async () => {
    await world?.stop();
    await rm(config, { recursive: true, force: true });
  });

  const cli = (args: readonly string[], stdin?: string): Promise<Ended> =>
    cloudflow([...args, '--url', world.platform.baseUrl], {
      env: { XDG_CONFIG_HOME: config },
      ...(stdin === undefined ? {} : { stdin }),
    });
  const inDatabase = async (sql: string): Promise<void> => {
    const client = new pg.Client(world.platform.postgresUrl);
    await client.connect();
    try {
      await client.query(sql);
    } finally {
      await client.end();
    }
  };
  /** Sealing is a turn of the platform's, in real time. */
  const untilSealed = (operation: string) =>
    expect
      .poll(async () => (await cli(['audit', 'list', '--operation', operation])).stdout, {
        timeout: 60_000,
        interval: 500,
      })
      .toContain(operation);

  it('is listed, exported line by line, and verified; what was altered is named', async () => {
    const { tenant, email, password } = world.platform.admin;
    const who = ['--tenant', tenant, '--email', email, '--password-stdin'];
    expect((await cli(['login', ...who], `${password}\n`)).status).toBe(0);
    expect((await cli(['users', 'list'])).status).toBe(0);
    expect((await cli(['keys', 'create', 'ci', '--scope', 'workflow:read'])).status).toBe(3);
    await untilSealed('createApiKey');
    const lines = (await cli(['audit', 'export'])).stdout.trimEnd().split('\n');
    const operations = lines.map((line) => (JSON.parse(line) as { operation: string }).operation);
    expect(operations).toEqual(expect.arrayContaining(['login', 'listUsers', 'createApiKey']));

    const whole = await cli(['audit', 'verify']);
    expect(whole).toMatchObject({ status: 0, stderr: '' });
    expect(whole.stdout).toMatch(/^\d+ events, each as it was sealed/);

    const archive = join(world.platform.state.path, 'audit');
    const copied = (folder: string) => cli(['audit', 'verify', '--archive', folder]);
    // heads are signed once a minute
    await expect
      .poll(async () => (await copied(archive)).status, { timeout: 240_000, interval: 2_000 })
      .toBe(0);
    await inDatabase(
      `update audit_events set content = replace(content, '"listUsers"', '"listRoles"')
       where operation = 'listUsers'`,
    );
    const altered = await cli(['audit', 'verify']);
    expect(altered.status).toBe(1);
    const at = operations.indexOf('listUsers') + 1;
    expect(altered.stdout).toContain(`event ${at} is the first that is wrong`);

    const copy = await mkdtemp(join(tmpdir(), 'cloudflow-audit-'));
    try {
      await cp(archive, copy, { recursive: true });
      // its end is cut off, with all that the database says of it
      await inDatabase(`
        delete from audit_events where seq >= ${at};
        delete from audit_heads where seq >= ${at};
        update audit_chains c set seq = e.seq, hash = e.hash, signed_seq = e.seq
          from audit_events e where e.tenant_id = c.tenant_id and e.seq = ${at - 1}`);
      expect(await cli(['audit', 'verify'])).toMatchObject({ status: 0 });
      const cut = await copied(copy);
      expect(cut.status).toBe(1);
      expect(cut.stdout).toMatch(/is the first that is wrong: .*(are gone|written anew)/);

      const { tenant_id } = (await cli(['whoami', '--json'])).document as { tenant_id: string };
      const heads = join(copy, tenant_id, 'heads');
      const [first] = (await readdir(heads)).sort();
      const file = join(heads, first as string);
      const whole = await readFile(file, 'utf8');
      await writeFile(file, whole.replace(/"signature":"../, '"signature":"AA'));
      const forged = await copied(copy);
      expect(forged.status).toBe(1);
      expect(forged.stdout).toMatch(/^the signed end at event \d+ is wrong: it is not signed/);
      await writeFile(file, 'application/json\n{"seq":');
      const damaged = await copied(copy);
      expect(damaged.status).toBe(2);
      expect(damaged.stderr).toContain(first);
      await rm(heads, { recursive: true });
      await mkdir(heads);
      expect(await copied(copy)).toMatchObject({ status: 2 });
    } finally {
      await rm(copy, { recursive: true });
    }

    const missing = await copied(join(world.platform.state.path, 'no'));
    expect(missing.status).toBe(2);
    expect(missing.stderr).toContain('no heads of');
  }, 600_000);
});
