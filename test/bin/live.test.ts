import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type PlatformWorld, startWorld, until } from '#test/integration/platform-world.ts';
import { createTestDatabase, describeWithPostgres } from '#test/support/database.ts';
import { cloudflow, type Ended, inProcess, start } from './cli-process.ts';
import { HOSTILE, RAW } from './output/hostile.ts';

/** The command line against a platform in this process, on a clock that stands still. */
describeWithPostgres('commands against a platform', () => {
  let world: PlatformWorld;
  let folder = '';
  let where: string[] = [];
  let serial = 0;

  beforeAll(async () => {
    world = await startWorld((await createTestDatabase()).url);
    folder = await mkdtemp(join(tmpdir(), 'cloudflow-live-'));
    where = ['--url', world.platform.baseUrl, '--api-key', world.platform.apiKey];
  });
  afterAll(async () => {
    await world?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  /** A definition in a file of its own. */
  async function file(steps: object[], more: object = {}): Promise<string> {
    const path = join(folder, `w${++serial}.json`);
    const definition = { workflow_id: `cli-${serial}`, version: '1.0.0', ...more, steps };
    await writeFile(path, JSON.stringify(definition, null, 2));
    return path;
  }
  const cli = (...args: string[]): Promise<Ended> => inProcess([...args, ...where]);
  const detached = async (path: string, ...args: string[]): Promise<string> => {
    const { stdout, stderr } = await cli('run', path, '--runtime', 'engine', '--detach', ...args);
    expect(stderr).toBe('');
    return stdout.trim();
  };
  const transform = (id: string, value: unknown, more: object = {}) => ({
    id,
    type: 'transform',
    config: { value },
    ...more,
  });
  const ask = {
    id: 'ask',
    type: 'approval',
    config: { assignee: 'ops', message: 'may we?', timeout: '1h' },
  };

  it.each(['engine', 'step_functions'])('run follows an execution to its end on %s', async (on) => {
    const path = await file([
      transform('a', '{% $input.n + 1 %}'),
      transform('b', '{% $steps.a.output * 2 %}', { depends_on: ['a'] }),
    ]);
    const { status, stdout, stderr } = await cloudflow(
      ['run', path, '--runtime', on, '--input', '-', ...where],
      { stdin: '{"n": 20}' },
    );
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(new RegExp(`^cli-\\d+ 1.0.0  [0-9a-f-]{36}\\non ${on}`));
    expect(stdout).toMatch(/✓ a .*\n.*▶ b\n.*✓ b .*\n.*✓ COMPLETED\n\nCOMPLETED in \d+ ms\n/);
    expect(JSON.parse(stdout.slice(stdout.indexOf('\n{')))).toEqual({ a: 21, b: 42 });
  });

  it('a failed execution is exit 1, with step, code and message', async () => {
    const path = await file([
      { id: 'no', type: 'fail', config: { error: 'Own.Code', message: 'm' } },
    ]);
    const text = await cli('run', path);
    expect(text.status).toBe(1);
    expect(text.stdout).toMatch(/FAILED in \d+ ms\nno {2}Own\.Code: m\n$/);
    const json = await cli('run', path, '--json');
    expect(json.status).toBe(1);
    expect(json.document).toMatchObject({ status: 'FAILED', error: { code: 'Own.Code' } });
  });

  it('run refuses a bad definition with its place, and a bad input with its reason', async () => {
    const bad = await cli('run', await file([{ id: 'a', type: 'nonsense' }]));
    expect([bad.status, bad.stdout]).toEqual([1, '']);
    expect(bad.stderr).toMatch(/w\d+\.json:\d+:\d+ {2}error {2}E_SCHEMA/);
    const strict = await file([transform('a', 1)], {
      input_schema: { type: 'object', required: ['id'] },
    });
    const input = await cli('run', strict, '--input', '{}');
    expect([input.status, input.stdout]).toEqual([3, '']);
    expect(input.stderr).toContain('INPUT_INVALID');
    const json = await cli('run', strict, '--input', '{}', '--json');
    expect(json.document).toMatchObject({
      error: { code: 'INPUT_INVALID', request_id: expect.any(String) },
    });
  });

  it('what strangers put into outputs, errors and approvals never reaches a terminal raw', async () => {
    // NUL is refused at the door; the others are kept as they came.
    const text = Object.values(HOSTILE)
      .filter((each) => !each.includes('\u0000'))
      .join(' | ');
    const path = await file([
      transform('a', { [text]: '{% $input.text %}' }),
      {
        id: 'no',
        type: 'fail',
        depends_on: ['a'],
        config: { error: 'E', message: 'because {% $input.text %}' },
      },
    ]);
    const input = ['--input', JSON.stringify({ text })];
    const outputs = await file([transform('a', '{% $input %}')]);
    const [shown, output, json] = await Promise.all([
      cli('run', path, ...input),
      cli('run', outputs, ...input),
      cli('run', path, ...input, '--json'),
    ]);
    expect([shown.status, shown.stderr]).toEqual([1, '']);
    expect(shown.stdout).toContain('because');
    expect(output.status).toBe(0);
    for (const { stdout, stderr } of [shown, output, json]) {
      expect(stdout).not.toMatch(RAW);
      expect(stderr).not.toMatch(RAW);
    }
    expect(json.document).toMatchObject({ input: { text } });
  });

  it('show says why it waits; approve lists and answers; --follow goes on to the end', async () => {
    const path = await file([
      ask,
      transform('then', '{% $steps.ask.output.decision %}', { depends_on: ['ask'] }),
    ]);
    const id = await detached(path, '--label', 'team:ops');
    await until('it waits', async () => (await cli('show', id)).stdout.includes('▶ ask'));
    const waiting = await cli('show', id);
    expect(waiting.stdout).toContain('RUNNING');
    expect(waiting.stdout).toContain('team:ops');
    expect(waiting.stdout).toMatch(/why it waits\n.*\nask +approval +waits for an approval, until/);
    const narrow = await inProcess(['show', id, ...where], '44');
    for (const line of narrow.stdout.split('\n')) expect([...line].length).toBeLessThanOrEqual(44);

    const listed = (await cli('approve', '--json')).document as { items: { id: string }[] };
    expect(listed.items).toHaveLength(1);
    const approval = listed.items[0]?.id ?? '';
    expect((await cli('approve')).stdout).toMatch(new RegExp(`${approval} .* may we\\?\\n$`));
    const following = cli('show', id, '--follow');
    const answered = await cli('approve', approval, '--comment', 'fine');
    expect(answered.stdout).toContain('approved by key:');
    const { status, stdout } = await following;
    expect(status).toBe(0);
    expect(stdout).toContain('"then": "approved"');
    expect((await cli('approve')).stdout).toBe('nothing waits for an approval\n');
    const again = await cli('approve', approval, '--reject');
    expect([again.status, again.stderr]).toEqual([3, expect.stringContaining('APPROVAL_ANSWERED')]);
  });

  it('Ctrl-C ends watching and not the execution, and says how to go on', async () => {
    const path = await file([ask]);
    const watching = start(['run', path, '--runtime', 'engine', ...where]);
    await until('it watches', () => watching.said.includes('waits for an approval'));
    watching.signal('SIGINT');
    const { status, stdout, stderr } = await watching.ended;
    const id = /[0-9a-f-]{36}/.exec(stdout)?.[0] ?? '';
    expect(status).toBe(130);
    expect(stderr).toContain(`cloudflow show ${id} --follow`);
    expect((await cli('show', id)).stdout).toContain('RUNNING');
    expect((await cli('cancel', id, '--reason', 'enough')).stdout).toContain('cancel asked for');
    const end = await cli('show', id, '--follow');
    expect(end.status).toBe(1);
    expect(end.stdout).toMatch(/cancel asked for by key:\w+: enough(.|\n)*CANCELLED in/);
  });

  it('limits are set, shown and taken away; what waits is listed and says why', async () => {
    const path = await file([ask]);
    const running = await detached(path);
    const name = `cli-${serial}`;
    const set = await cli('limits', name, '--concurrency', '1', '--starts', '100/1m');
    expect([set.status, set.stderr]).toEqual([0, '']);
    expect(set.stdout).toMatch(/1 run, 0 wait to begin\n/);
    expect(set.stdout).toMatch(/set by key:\S+ +1 +100 in 1m +10000/);
    const held = await detached(path, '--priority', '4');
    await until('it waits for a slot', async () =>
      (await cli('show', held)).stdout.includes('1 of 1 executions of its workflow run'),
    );
    expect((await cli('executions', '--held')).stdout).toContain(held);
    expect((await cli('executions', '--held')).stdout).not.toContain(running);
    expect((await cli('workflow', 'pause', name)).stdout).toContain('1 still run');
    await cli('workflow', 'resume', name);
    expect((await cli('limits', name, '--none')).stdout).toContain('no limits');
    await until('it begins', async () => (await cli('show', held)).stdout.includes('▶ ask'));
    for (const id of [running, held]) await cli('cancel', id);
    const wrong = await cli('limits', '--starts', '5/minute');
    expect([wrong.status, wrong.stderr.includes('such as 100/1m')]).toEqual([2, true]);
    expect((await cli('limits', '--none', '--concurrency', '1')).status).toBe(2);
  });

  it('pause and resume; a runtime that cannot is named', async () => {
    const path = await file([ask]);
    const id = await detached(path);
    await until('it runs', async () => (await cli('show', id)).stdout.includes('▶ ask'));
    expect((await cli('pause', id)).stdout).toBe(`${id}  pause asked for\n`);
    await until('it pauses', async () => (await cli('show', id)).stdout.includes('‖ paused by'));
    expect((await cli('resume', id)).stdout).toBe(`${id}  resumed\n`);
    await cli('cancel', id);
    const other = await cli('run', path, '--runtime', 'step_functions', '--detach', '--json');
    const { execution_id } = other.document as { execution_id: string };
    const refused = await cli('pause', execution_id, '--json');
    expect([refused.status, refused.stderr]).toEqual([3, '']);
    expect(refused.document).toMatchObject({ error: { code: 'RUNTIME_CANNOT_PAUSE' } });
    await cli('cancel', execution_id);
  });

  it('retry shows what would be repeated, and does it', async () => {
    let fail = true;
    world.answer = () => (fail ? { status: 400, body: {} } : { status: 200, body: { ok: 1 } });
    const call = { type: 'http_request', config: { url: world.target, method: 'POST' } };
    const path = await file([transform('a', 1), { id: 'call', ...call, depends_on: ['a'] }]);
    const failed = await cli('run', path, '--runtime', 'engine', '--json');
    expect(failed.status).toBe(1);
    const { id } = failed.document as { id: string };
    const preview = await cli('retry', id, '--dry-run');
    expect(preview.stdout).toContain('not again: the recorded results are used\n  a\n');
    expect(preview.stdout).toContain(
      'again, and may already have taken effect\n  call  1 call made, CloudFlow.ClientError\n',
    );
    fail = false;
    const done = await cli('retry', id);
    expect([done.status, done.stderr]).toEqual([0, '']);
    expect(done.stdout).toContain('✓ COMPLETED');
    const retried = /\n([0-9a-f-]{36})\n/.exec(done.stdout)?.[1] ?? '';
    expect((await cli('show', retried)).stdout).toContain(`a retry of ${id}`);
  });

  it('executions lists and filters; ids are whole in a pipe and on a narrow terminal', async () => {
    const path = await file([transform('a', 1)]);
    const ids = [await detached(path, '--label', 'x:1'), await detached(path, '--label', 'x:2')];
    const both = await cli('executions', '--workflow', `cli-${serial}`);
    for (const id of ids) expect(both.stdout).toContain(`${id}  `);
    const narrow = await inProcess(['executions', '--limit', '2', ...where], '40');
    for (const id of ids) expect(narrow.stdout).toContain(`${id}\n`);
    const one = (await cli('executions', '--label', 'x:1', '--json')).document as {
      items: object[];
    };
    expect(one.items).toMatchObject([{ id: ids[0] }]);
    expect((await cli('executions', '--text', 'nothinglikethis')).stdout).toBe('no executions\n');
    const page = ['executions', '--workflow', `cli-${serial}`, '--limit', '1', '--json'];
    const first = (await cli(...page)).document as { items: object[]; next_cursor: string };
    const second = (await cli(...page, '--cursor', first.next_cursor)).document as typeof first;
    expect([first.items, second.items]).toMatchObject([[{ id: ids[1] }], [{ id: ids[0] }]]);
    const early = await cli('executions', '--to', '2001-01-01T00:00:00.000Z');
    expect(early.stdout).toBe('no executions\n');
  });

  it('an execution that is not there, and a key that is not one', async () => {
    const id = '01a20343-3cf1-70bb-8d66-0734ff6f3d80';
    const missing = await cli('show', id);
    expect([missing.status, missing.stderr]).toEqual([3, expect.stringContaining('NOT_FOUND')]);
    const url = ['--url', world.platform.baseUrl];
    const { status, stderr } = await inProcess(['executions', ...url, '--api-key', 'nonsense']);
    expect(status).toBe(3);
    expect(stderr).toContain('UNAUTHENTICATED');
    expect(stderr).toContain('the credential is --api-key');
    // The key is of mode test, and people are of mode live.
    const users = await cli('users', 'list');
    expect([users.status, users.stderr]).toEqual([3, expect.stringContaining('PERMISSION_DENIED')]);
    expect(users.stderr).toContain('`cloudflow login` signs in as a user');
  });
});
