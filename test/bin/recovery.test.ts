import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { inProcess } from './cli-process.ts';

const TIMELINE = {
  scenario: 'region',
  title: 'Quarterly take-over',
  failed_at: '2026-10-01T08:00:00Z',
  detected_at: '2026-10-01T08:01:10Z',
  recovered_at: '2026-10-01T10:23:00Z',
  last_kept_at: '2026-10-01T07:59:58Z',
  issues: [{ what: 'an old name was kept', resolved: false }],
};

let folder = '';
const at = (name: string): string => join(folder, name);
const write = (name: string, value: unknown): Promise<void> =>
  writeFile(at(name), JSON.stringify(value));

let server: Server;
/** Requests by what AWS calls them, with their bodies. */
const asked: { readonly what: string; readonly body: Record<string, unknown> }[] = [];
let machines: readonly string[] = [];
let lambda: { readonly body: unknown; readonly error?: true } = { body: { delivered: true } };

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cloudflow-recovery-'));
  server = createServer(async (request, response) => {
    let text = '';
    for await (const part of request as AsyncIterable<Buffer>) text += part.toString('utf8');
    const what = String(request.headers['x-amz-target'] ?? request.url);
    asked.push({ what, body: JSON.parse(text || '{}') as Record<string, unknown> });
    const arn = (name: string) => `arn:aws:states:us-west-2:111111111111:stateMachine:${name}`;
    if (what.endsWith('ListStateMachines')) {
      const stateMachines = machines.map((name) => ({ name, stateMachineArn: arn(name) }));
      response.end(JSON.stringify({ stateMachines }));
    } else if (what.endsWith('StartExecution')) {
      const { name = 'made-up' } = asked.at(-1)?.body ?? {};
      response.end(JSON.stringify({ executionArn: `arn:aws:states:x:1:execution:m:${name}` }));
    } else {
      if (lambda.error) response.setHeader('x-amz-function-error', 'Unhandled');
      response.end(JSON.stringify(lambda.body));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  vi.stubEnv('AWS_ENDPOINT_URL', `http://127.0.0.1:${port}`);
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'nobody');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'nothing');
});
afterAll(async () => {
  vi.unstubAllEnvs();
  server.close();
  await rm(folder, { recursive: true, force: true });
});
beforeEach(() => {
  asked.length = 0;
  machines = ['machine-of-a-tenant', 'platform-prod-region-failover'];
  lambda = { body: { delivered: true } };
});

describe('drill', () => {
  it('says what it took, held against the objectives, and keeps it in a file', async () => {
    await write('met.json', TIMELINE);
    const ended = await inProcess(['drill', at('met.json'), '--out', at('report.txt')]);
    expect(ended.status).toBe(0);
    for (const line of [
      'Every objective was met.',
      '| recovery time | 2 h 23 min | 4 h | met |',
      '| recovery point | 2 s | 1 h | met |',
      '- [ ] an old name was kept',
    ]) {
      expect(ended.stdout).toContain(line);
    }
    expect(ended.stdout).toContain(await readFile(at('report.txt'), 'utf8'));
  });

  it('ends with 1 where an objective was missed, and reads reports of workflows', async () => {
    const timeline = { ...TIMELINE, recovered_at: '2026-10-01T12:00:01Z' };
    await write('missed.json', { execution: 'e1', timeline });
    const ended = await inProcess(['--json', 'drill', at('missed.json')]);
    expect(ended.status).toBe(1);
    expect(ended.document).toMatchObject({ report: { met: false, open_issues: 1 } });
  });

  it('says every problem of a timeline, and reports nothing', async () => {
    await write('bad.json', { ...TIMELINE, scenario: 'flood', detected_at: 'soon' });
    const { status, stdout, stderr } = await inProcess(['drill', at('bad.json')]);
    expect(status).toBe(1);
    expect(`${stdout}${stderr}`).toContain('/scenario');
    expect(`${stdout}${stderr}`).toContain('/detected_at');
    expect(stdout).not.toContain('objective');
  });
});

const WHERE = ['--stage', 'prod', '--region', 'us-west-2'];

describe('recovery start', () => {
  it('starts the machine of the platform, by its name, with the input', async () => {
    const input = '{"mode":"planned","dry_run":true}';
    const args = ['recovery', 'start', 'region-failover', ...WHERE];
    const ended = await inProcess([...args, '--input', input, '--name', 'rehearsal']);
    expect([ended.status, ended.stdout]).toEqual([0, 'rehearsal\n']);
    expect(asked.at(-1)).toMatchObject({
      what: 'AWSStepFunctions.StartExecution',
      body: {
        stateMachineArn: expect.stringMatching(/:platform-prod-region-failover$/),
        input,
        name: 'rehearsal',
      },
    });
  });

  it('says where to look when there is no such machine, and starts nothing', async () => {
    machines = ['platform-dev-region-failover'];
    const ended = await inProcess(['recovery', 'start', 'region-failover', ...WHERE]);
    expect(ended.status).not.toBe(0);
    expect(ended.stderr).toContain(
      'there is no machine platform-prod-region-failover in us-west-2',
    );
    expect(asked.map(({ what }) => what)).toEqual(['AWSStepFunctions.ListStateMachines']);
  });

  it.each([
    [['recovery', 'start', 'region-failover', '--stage', 'prod']],
    [['recovery', 'start', 'everything', ...WHERE]],
    [['recovery', 'start', 'restore-test', '--stage', 'moon', '--region', 'us-east-1']],
  ])('%j is refused before anything is asked', async (args) => {
    expect((await inProcess(args)).status).not.toBe(0);
    expect(asked).toEqual([]);
  });
});

describe('recovery approve', () => {
  const approve = (...more: readonly string[]) =>
    inProcess(['recovery', 'approve', 'e1', ...WHERE, '--by', 'ada', ...more]);

  it.each([
    [[], 'approved'],
    [['--reject', '--comment', 'not today'], 'rejected'],
  ])('%j tells the function that takes over: %s', async (more, decision) => {
    const ended = await approve(...more);
    expect([ended.status, ended.stdout]).toEqual([0, `${decision}\n`]);
    expect(asked).toMatchObject([
      {
        what: expect.stringContaining('cloudflow-prod-takeover/invocations?Qualifier=live'),
        body: { kind: 'answer', execution: 'e1', step: 'approve', decision, by: 'ada' },
      },
    ]);
  });

  it('ends with 1 where nothing waits just now', async () => {
    lambda = { body: { delivered: false } };
    const ended = await approve();
    expect(ended.status).toBe(1);
    expect(ended.stdout).toContain('does not wait just now');
  });

  it('says what the function says when it refuses', async () => {
    lambda = { body: { errorMessage: 'nothing waits at approve of e1' }, error: true };
    const ended = await approve();
    expect(ended.status).not.toBe(0);
    expect(ended.stderr).toContain('nothing waits at approve of e1');
  });

  it('asks who decides', async () => {
    expect((await inProcess(['recovery', 'approve', 'e1', ...WHERE])).status).not.toBe(0);
    expect(asked).toEqual([]);
  });
});
