import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type PlatformWorld, startWorld, until } from '#test/integration/platform-world.ts';
import { createTestDatabase, describeWithPostgres } from '#test/support/database.ts';
import { type Ended, inProcess } from './cli-process.ts';

/** Workflows as they are stored, and what their executions did, as somebody types it. */
describeWithPostgres('workflows that are stored', () => {
  let world: PlatformWorld;
  let folder = '';

  beforeAll(async () => {
    world = await startWorld((await createTestDatabase()).url);
    folder = await mkdtemp(join(tmpdir(), 'cloudflow-workflows-'));
  });
  afterAll(async () => {
    await world?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const cli = (...args: string[]): Promise<Ended> =>
    inProcess([...args, ...['--url', world.platform.baseUrl, '--api-key', world.platform.apiKey]]);
  const greeting = (version: string) => ({
    workflow_id: 'greeting',
    version,
    description: 'says hello to whoever comes',
    steps: [
      { id: 'greet', type: 'transform', config: { value: `{% "${version} " & $input.who %}` } },
    ],
  });
  async function file(definition: object): Promise<string> {
    const path = join(folder, 'workflow.json');
    await writeFile(path, JSON.stringify(definition, null, 2));
    return path;
  }

  it('are stored version by version, listed, seen, and written back as they were', async () => {
    const stored = await cli('workflow', 'store', await file(greeting('1.0.0')));
    expect(stored).toMatchObject({ status: 0, stderr: '', stdout: 'greeting 1.0.0 is stored\n' });
    expect((await cli('workflow', 'store', await file(greeting('1.1.0')))).status).toBe(0);

    const list = await cli('workflow', 'list', '--text', 'whoever comes');
    expect(list.stdout).toMatch(/^greeting +1\.1\.0 +1 +auto /m);
    expect((await cli('workflow', 'list', '--text', 'nothinglikethis')).stdout).toBe(
      'no workflows\n',
    );
    expect((await cli('workflow', 'list', '--step-type', 'approval')).stdout).toBe(
      'no workflows\n',
    );

    const versions = await cli('workflow', 'versions', 'greeting');
    expect(versions.stdout).toMatch(/\n1\.1\.0 .*\n1\.0\.0 /);
    const one = await cli('workflow', 'versions', 'greeting', '--limit', '1');
    expect(one.stdout).toMatch(/\n1\.1\.0 .*\nand more: --limit shows more\n$/);

    const shown = await cli('workflow', 'show', 'greeting');
    expect(shown.stdout).toMatch(/^version +1\.1\.0, the highest of 2 versions$/m);
    expect(shown.stdout).toMatch(/^latest +never executed$/m);
    const first = ['workflow', 'show', 'greeting', '--version', '1.0.0'];
    expect((await cli(...first)).stdout).toMatch(/^stored +\d{4}-.* by key:\w+$/m);
    const definition = await cli(...first, '--definition');
    expect(JSON.parse(definition.stdout)).toEqual(greeting('1.0.0'));
    expect((await cli(...first, '--definition', '--json')).document).toEqual(greeting('1.0.0'));
    expect((await cli(...first, '--json')).document).toMatchObject({ version: '1.0.0' });
  });

  it('a bad definition is refused with its place, and one that is there with its reason', async () => {
    const bad = await cli('workflow', 'store', await file({ ...greeting('2.0.0'), steps: [{}] }));
    expect([bad.status, bad.stdout]).toEqual([1, '']);
    expect(bad.stderr).toMatch(/workflow\.json:\d+:\d+ {2}error {2}E_/);
    const other = await file({ ...greeting('1.0.0'), description: 'another' });
    const taken = await cli('workflow', 'store', other);
    expect([taken.status, taken.stderr]).toEqual([
      3,
      expect.stringContaining('WORKFLOW_VERSION_EXISTS'),
    ]);
  });

  it('start without a file, in the version that is named, and are followed to the end', async () => {
    const newest = await cli('workflow', 'start', 'greeting', '--input', '{"who": "Ada"}');
    expect([newest.status, newest.stderr]).toEqual([0, '']);
    expect(newest.stdout).toContain('"greet": "1.1.0 Ada"');
    const older = await cli(
      ...['workflow', 'start', 'greeting', '--version', '1.0.0'],
      ...['--input', '{"who": "Ada"}', '--label', 'team:ops', '--runtime', 'engine', '--json'],
    );
    expect(older.document).toMatchObject({
      ...{ version: '1.0.0', labels: { team: 'ops' }, runtime: 'engine' },
      output: { greet: '1.0.0 Ada' },
    });
    const once = ['workflow', 'start', 'greeting', '--idempotency-key', 'of-ada', '--detach'];
    const started = await cli(...once);
    expect(started.stdout).toMatch(/^[0-9a-f-]{36}\n$/);
    expect((await cli(...once)).stdout).toBe(started.stdout);
    const nowhere = await cli('workflow', 'start', 'nothing-like-this');
    expect([nowhere.status, nowhere.stderr]).toEqual([3, expect.stringContaining('NOT_FOUND')]);
  });

  it('steps says how each stands, and asl show what Step Functions would run', async () => {
    const path = await file({
      ...greeting('3.0.0'),
      steps: [
        ...greeting('3.0.0').steps,
        {
          id: 'no',
          type: 'fail',
          depends_on: ['greet'],
          config: { error: 'Own.Code', message: 'because' },
        },
      ],
    });
    const ended = await cli('run', path, '--input', '{"who": "Ada"}', '--json');
    const { id } = ended.document as { id: string };
    const steps = await cli('steps', id);
    expect(steps.stdout).toMatch(/^greet +transform +SUCCESS +\d/m);
    expect(steps.stdout).toMatch(/^no +fail +FAILED +\d.*Own\.Code: because$/m);
    const json = (await cli('steps', id, '--json')).document as { items: object[] };
    expect(json.items).toMatchObject([{ step: 'greet', output: '3.0.0 Ada' }, { step: 'no' }]);
    const machine = await cli('asl', 'show', id);
    expect(JSON.parse(machine.stdout)).toMatchObject({ QueryLanguage: 'JSONata' });
    const shown = await cli('workflow', 'show', 'greeting');
    expect(shown.stdout).toMatch(new RegExp(`^latest +${id} of 3\\.0\\.0, FAILED`, 'm'));
  });

  it('many at once: what was not looked at yet is not counted as none', async () => {
    const path = await file({
      workflow_id: 'asking',
      version: '1.0.0',
      steps: [
        {
          id: 'ask',
          type: 'approval',
          config: { assignee: 'ops', message: 'may we?', timeout: '1h' },
        },
      ],
    });
    const begun = await cli('run', path, '--runtime', 'engine', '--detach');
    const execution = begun.stdout.trim();
    await until('it waits', async () => (await cli('show', execution)).stdout.includes('▶ ask'));
    const started = await cli('bulk', 'cancel', '--workflow', 'asking');
    const [, id = ''] =
      /^(\S+) {2}cancel RUNNING {2}none looked at yet\n/.exec(started.stdout) ?? [];
    expect(started.stdout).toContain(`\`cloudflow bulk show ${id}\` says how far it has got\n`);
    await until('it is done', async () => {
      await world.pass(1);
      return (await cli('bulk', 'show', id)).stdout.includes('cancel COMPLETED');
    });
    expect((await cli('bulk', 'show', id)).stdout).toContain('1 of 1 execution changed\n');
    const none = await cli('bulk', 'cancel', '--workflow', 'nothing-like-this', '--json');
    const nothing = (none.document as { id: string }).id;
    await until('it is done', async () => {
      await world.pass(1);
      return (await cli('bulk', 'show', nothing)).stdout.includes('cancel COMPLETED');
    });
    expect((await cli('bulk', 'show', nothing)).stdout).toContain('no execution was meant\n');
  });

  it('are deleted, and found no more', async () => {
    expect((await cli('workflow', 'delete', 'greeting')).stdout).toContain('greeting is deleted');
    const gone = await cli('workflow', 'show', 'greeting');
    expect([gone.status, gone.stderr]).toEqual([3, expect.stringContaining('NOT_FOUND')]);
  });

  it('health says what the platform depends on, and fails where nobody answers', async () => {
    const good = await cli('health');
    expect([good.status, good.stderr]).toEqual([0, '']);
    expect(good.stdout).toContain(world.platform.baseUrl);
    expect(good.stdout).toMatch(/^postgres +ok$/m);
    expect((await cli('health', '--json')).document).toMatchObject({
      status: 'ok',
      checks: { postgres: 'ok' },
    });
    const nobody = await inProcess(['health', '--url', 'http://127.0.0.1:9']);
    expect([nobody.status, nobody.stderr]).toEqual([3, expect.stringContaining('UNAVAILABLE')]);
  });
});
