import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cloudflow, inProcess } from './cli-process.ts';
import { HOSTILE, RAW } from './output/hostile.ts';

const ONBOARDING = 'statemachines/examples/customer-onboarding.json';
const PAYMENT = 'statemachines/examples/card-payment.json';

let folder = '';
const at = (name: string) => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cloudflow-cli-'));
  const steps = Array.from({ length: 20 }, (_, i) => ({ id: `s${i}`, type: 'nonsense' }));
  await Promise.all([
    writeFile(at('broken.json'), '{\n  "workflow_id": "a",\n  "steps": [}\n}\n'),
    writeFile(
      at('twenty.json'),
      JSON.stringify({ workflow_id: 'twenty', version: '1.0.0', steps }, null, 2),
    ),
    writeFile(at('machine.json'), JSON.stringify(MACHINE)),
    writeFile(at('list.json'), '[1, 2]'),
  ]);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const MACHINE = {
  QueryLanguage: 'JSONata',
  StartAt: 'Call',
  States: {
    Call: {
      Type: 'Task',
      Resource: 'arn:aws:states:::lambda:invoke',
      Arguments: { FunctionName: 'f', Payload: '{% $states.input %}' },
      Output: '{% $states.result.Payload %}',
      Next: 'End',
    },
    End: { Type: 'Succeed' },
  },
};

describe('validate', () => {
  it.each([
    ['{"a": 1,\n "a": 2}', '2:2', "the key 'a' appears twice in one object"],
    ['{"a": 1e400}', '1:7', 'the number 1e400 is beyond what JSON numbers hold exactly'],
    ['[9007199254740993]', '1:2', 'the number 9007199254740993 is beyond'],
    ['{"__proto__": 1}', '1:2', "the key '__proto__' is refused"],
    ['["a\\u0000b"]', '1:2', 'the string holds U+0000'],
  ])(
    'what would be read as something else is refused where it stands: %s',
    async (text, where, why) => {
      await writeFile(at('unfit.json'), text);
      const { status, stdout } = await inProcess(['validate', at('unfit.json')]);
      expect(status).toBe(1);
      expect(stdout).toContain(`${at('unfit.json')}:${where}  error  REQUEST_MALFORMED`);
      expect(stdout).toContain(why);
      const ran = await inProcess([
        'run',
        ONBOARDING,
        '--input',
        text,
        '--url',
        'http://127.0.0.1:1',
      ]);
      expect([ran.status, ran.stderr]).toEqual([2, expect.stringContaining(why)]);
    },
  );

  it('goes through all files, also past one that is not JSON', async () => {
    const { status, stdout, stderr } = await inProcess([
      'validate',
      at('broken.json'),
      ONBOARDING,
      at('list.json'),
    ]);
    expect(status).toBe(1);
    expect(stderr).toBe('');
    expect(stdout).toContain(`${at('broken.json')}:3:13  error  NOT_JSON`);
    expect(stdout).toContain(
      `✓ ${ONBOARDING}: customer-onboarding-v2 2.1.0, 2 steps, runs on step_functions, 2 warnings`,
    );
    expect(stdout).toContain(`✗ ${at('list.json')}: 1 problem\n`);
    expect(stdout).toMatch(/3 files, 1 good, 2 bad\n$/);
  });

  it('says all problems of a file at once, each with its line', async () => {
    const { status, document } = await inProcess(['validate', at('twenty.json'), '--json']);
    expect(status).toBe(1);
    const { files } = document as { files: { valid: boolean; problems: { line: number }[] }[] };
    expect(files[0]?.valid).toBe(false);
    const lines = files[0]?.problems.map(({ line }) => line) ?? [];
    expect(new Set(lines).size).toBeGreaterThanOrEqual(20);
  });

  it('lets warnings pass, unless it is strict', async () => {
    expect((await inProcess(['validate', ONBOARDING])).status).toBe(0);
    expect((await inProcess(['validate', '--strict', ONBOARDING])).status).toBe(1);
    expect((await inProcess(['validate', '--strict', PAYMENT])).status).toBe(0);
  });

  it('reads stdin', async () => {
    const text = await readFile(PAYMENT, 'utf8');
    const { status, stdout } = await cloudflow(['validate', '-'], { stdin: text });
    expect(status).toBe(0);
    expect(stdout).toContain('✓ (stdin): card-payment 1.0.0');
  });
});

describe('pictures and compilation', () => {
  it('plan says what it costs, on any width', async () => {
    const wide = await inProcess(['plan', ONBOARDING]);
    expect(wide.stdout).toContain('critical path   validate-customer → create-account');
    expect(wide.stdout).toMatch(
      /step_functions: [\d.,]+ USD per million executions: .* transitions/,
    );
    expect(wide.stdout).toMatch(/engine: [\d.,]+ USD per million executions at 2,500,000 a day/);
    expect(wide.stdout).toMatch(/break-even: from [\d,]+ executions a day/);
    const narrow = await inProcess(['plan', PAYMENT], '44');
    for (const line of narrow.stdout.split('\n')) expect([...line].length).toBeLessThanOrEqual(44);
    const { document } = await inProcess(['plan', ONBOARDING, '--json']);
    expect(document).toMatchObject({
      report: {
        program_hash: expect.any(String),
        steps: [{ max_output_bytes: expect.any(Number) }, {}],
      },
      costs: {
        per_day: 2_500_000,
        step_functions: { usd_per_million: expect.any(Number) },
        engine: { usd_per_million: expect.any(Number), tasks: 12 },
        break_even_per_day: expect.any(Number),
      },
    });
    const rare = await inProcess(['plan', ONBOARDING, '--json', '--per-day', '1000']);
    expect(rare.document).toMatchObject({ costs: { per_day: 1_000 } });
    const wrong = await inProcess(['plan', ONBOARDING, '--per-day', '0']);
    expect([wrong.status, wrong.stderr]).toEqual([2, expect.stringContaining('--per-day')]);
  });

  it('compile prints the machine, and only that', async () => {
    const { status, stdout, stderr } = await inProcess(['compile', PAYMENT]);
    expect([status, stderr]).toEqual([0, '']);
    expect(JSON.parse(stdout)).toMatchObject({ QueryLanguage: 'JSONata', States: {} });
  });

  it('graph draws text, or SVG into a file or to stdout', async () => {
    const text = await inProcess(['graph', PAYMENT]);
    expect(text.stdout).toContain('● decide  branch');
    const svg = await inProcess(['graph', PAYMENT, '--svg', '-']);
    expect(svg.stdout).toMatch(/^<svg .*<\/svg>\n$/s);
    const written = await inProcess(['graph', PAYMENT, '--svg', at('out.svg')]);
    expect(written.stdout).toBe(`wrote ${at('out.svg')}\n`);
    expect(await readFile(at('out.svg'), 'utf8')).toBe(svg.stdout);
    const json = await inProcess(['graph', PAYMENT, '--json']);
    expect(json.document).toMatchObject({ workflow_id: 'card-payment', text: text.stdout });
    const nowhere = await inProcess(['graph', PAYMENT, '--svg', at('no/such/out.svg')]);
    expect([nowhere.status, nowhere.stderr]).toEqual([2, expect.stringContaining('cannot write')]);
  });

  it('all three refuse what is no definition, with its problems', async () => {
    for (const command of ['plan', 'compile', 'graph']) {
      const { status, stdout, stderr } = await inProcess([command, at('list.json')]);
      expect([status, stdout]).toEqual([1, '']);
      expect(stderr).toContain('a definition is an object');
    }
  });
});

describe('asl run', () => {
  it('runs a machine by itself', async () => {
    const tasks = at('tasks.json');
    const { status, stdout } = await inProcess([
      'asl',
      'run',
      at('machine.json'),
      '--input',
      '{"a":1}',
    ]);
    // Nobody answers its task: the execution fails, in the words of a history.
    expect(status).toBe(1);
    expect(JSON.parse(stdout).events.at(-1).type).toBe('ExecutionFailed');
    await writeFile(tasks, JSON.stringify({ Call: [{ result: { Payload: { b: 2 } } }] }));
    const good = await inProcess(['asl', 'run', at('machine.json'), '--tasks', tasks, '--json']);
    expect([good.status, good.stderr]).toEqual([0, '']);
    expect(good.document).toMatchObject({ events: expect.any(Array) });
    await writeFile(tasks, '{"Call": [{"output": 1}]}');
    const bad = await inProcess(['asl', 'run', at('machine.json'), '--tasks', tasks]);
    expect(bad.status).toBe(2);
    expect(bad.stderr).toContain(`${tasks}:1:11  error  TASKS_FILE_INVALID  /Call/0`);
  });

  it('says what is wrong with a machine', async () => {
    const { status, document } = await inProcess(['asl', 'run', at('list.json'), '--json']);
    expect(status).toBe(1);
    expect(document).toMatchObject({ error: { code: 'MACHINE_INVALID' } });
  });
});

describe('mistakes of the command line', () => {
  it.each([
    [['valdate', 'x'], "unknown command 'valdate'; did you mean validate?", 'cloudflow --help'],
    [['run'], "missing required argument 'file'", 'cloudflow run --help'],
    [['run', 'x', '--bogus'], "unknown option '--bogus'", 'cloudflow run --help'],
    [['asl', 'run'], "missing required argument 'machine'", 'cloudflow asl run --help'],
    [['show', 'nope'], "'nope' is not an execution", 'cloudflow show --help'],
    [['executions', '--limit', '1e9'], "argument '1e9' is not allowed; use 1 to 200", 'executions'],
    [['executions', '--status', 'DONE'], 'use PENDING, RUNNING, COMPLETED', 'executions'],
    [['validate', 'nope.json'], 'cannot read nope.json: no such file', ''],
    [['validate', 'bin'], 'cannot read bin: it is a folder', ''],
    [['run', ONBOARDING, '--input', '{"a":}'], '--input is not JSON', ''],
    [['run', ONBOARDING, '--label', 'x'], "label 'x' is not of the form name:value", ''],
    [['dev', '--once', '--no-example'], '--once runs the example', ''],
    [['run', '-', '--input', '-'], 'definition and input cannot both come from stdin', ''],
  ])('%j: exit 2, in one sentence', async (args, sentence, hint) => {
    const all = [...args, '--data-dir', folder, '--url', 'http://127.0.0.1:9'];
    const text = await inProcess(all);
    expect([text.status, text.stdout]).toEqual([2, '']);
    expect(text.stderr).toContain(sentence);
    expect(text.stderr).toContain(hint);
    expect(text.stderr).not.toMatch(/\n {4}at /);
    const json = await inProcess([...all, '--json']);
    expect([json.status, json.stderr]).toEqual([2, '']);
    expect(json.document).toEqual({
      error: {
        code: expect.stringMatching(/^(USAGE|FILE_UNREADABLE|NOT_JSON)$/),
        message: expect.stringContaining(sentence),
        problems: expect.any(Array),
        request_id: null,
      },
    });
  });

  it('help is no mistake; nothing at all is', async () => {
    expect((await cloudflow(['plan', '--help'])).status).toBe(0);
    const help = await inProcess(['run', '--help']);
    expect([help.status, help.stderr]).toEqual([0, '']);
    expect(help.stdout).toContain('cloudflow run workflow.json --input input.json');
    const nothing = await inProcess([]);
    expect([nothing.status, nothing.stdout]).toEqual([2, '']);
    expect(nothing.stderr).toContain('Usage: cloudflow [options] <command>');
    expect((await inProcess(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

describe('a platform that is not there', () => {
  it('is said, with how to start one', async () => {
    const { status, stderr } = await inProcess(['executions', '--data-dir', folder]);
    expect(status).toBe(2);
    expect(stderr).toContain('Start one with `cloudflow dev`');
  });

  it('is said when it does not answer', async () => {
    const { status, stderr } = await cloudflow(['executions'], {
      env: { CLOUDFLOW_URL: 'http://127.0.0.1:9', CLOUDFLOW_API_KEY: 'x' },
    });
    expect(status).toBe(3);
    expect(stderr).toContain('UNAVAILABLE: no answer from http://127.0.0.1:9');
  });

  it('is said when its URL is none', async () => {
    const { status, stderr } = await inProcess(['executions', '--url', 'localhost:7411']);
    expect([status, stderr]).toEqual([2, expect.stringContaining('use one such as http://')]);
  });

  it('is said when stack.json is not ours', async () => {
    await writeFile(at('stack.json'), '{"base_url": 7}');
    const { status, stderr } = await inProcess(['executions', '--data-dir', folder]);
    expect([status, stderr]).toEqual([2, expect.stringContaining('was not written by')]);
    await rm(at('stack.json'));
  });
});

it('a reader that stops reading ends it quietly', async () => {
  const { spawnSync } = await import('node:child_process');
  const { CLI } = await import('./cli-process.ts');
  const { status, stderr } = spawnSync(
    'sh',
    ['-c', `"$0" "$1" compile ${PAYMENT} | head -c 10; true`, process.execPath, CLI],
    { encoding: 'utf8' },
  );
  expect([status, stderr]).toEqual([0, '']);
});

it('definitions of strangers do not move the cursor', async () => {
  const name = Object.values(HOSTILE).join(' ');
  const steps = [{ id: name, type: name, [name]: name, config: { value: name } }];
  await writeFile(at('hostile.json'), JSON.stringify({ workflow_id: name, version: name, steps }));
  await writeFile(at('raw.json'), `{"a": ${name}}`);
  for (const args of [
    ['validate', at('hostile.json'), at('raw.json')],
    ['plan', at('hostile.json')],
    ['validate', at('hostile.json'), at('raw.json'), '--json'],
    ['plan', at('hostile.json'), '--json'],
    ['show', name.replaceAll('\u0000', '')],
  ]) {
    const { status, stdout, stderr } = await inProcess(args);
    expect([1, 2]).toContain(status);
    expect(stdout).not.toMatch(RAW);
    expect(stderr).not.toMatch(RAW);
  }
});
