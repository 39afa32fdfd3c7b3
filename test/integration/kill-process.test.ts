import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import pg from 'pg';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { describeWithPostgres } from '#test/support/database.ts';
import { seeded } from '#test/support/processes.ts';
import {
  descendants,
  isAlive,
  leftovers,
  makeFolder,
  type PlatformFolder,
  type RunningPlatform,
  readStack,
  within,
} from './platform-process.ts';

const SEED = Number(process.env['KILL_SEED'] ?? 31);
const STOP_MS = 15_000;
const BARE = ['--no-example'];
const VIRTUAL = ['--clock', 'virtual', '--no-example'];
const DAY_MS = 86_400_000;

// It starts servers of its own; where none can be had, neither can the shared one.
describeWithPostgres('the platform as a process', () => {
  let folder: PlatformFolder;
  let target: Server;
  let port: number;
  /** Requests of steps; they are never answered. */
  let asked: string[];

  beforeEach(async () => {
    folder = await makeFolder();
    asked = [];
    target = createServer((request) => asked.push(String(request.headers['x-cloudflow-step'])));
    await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve));
    port = (target.address() as AddressInfo).port;
  });
  afterEach(async () => {
    try {
      await folder.remove();
    } finally {
      await new Promise<void>((resolve) => {
        target.close(() => resolve());
        target.closeAllConnections();
      });
    }
  });

  const env = () => ({ EGRESS_ALLOW: `127.0.0.1:${port}` });
  const steps = (id: string, config: object, type = 'http_request') =>
    ({ workflow_id: id, version: '1.0.0', steps: [{ id: 'one', type, config }] }) as never;
  const begin = async (on: RunningPlatform, body: never, runtime: 'engine' | 'step_functions') => {
    const { workflow_id, version } = await on.client.createWorkflow({ body });
    const accepted = await on.client.executeWorkflow({
      workflow_id,
      body: { version, runtime, input: {} },
    });
    return accepted.execution_id;
  };
  /** One on each runtime, whose call is never answered. */
  const beginHanging = async (on: RunningPlatform): Promise<string[]> => {
    const config = { url: `http://127.0.0.1:${port}/`, method: 'POST', timeout: 60_000 };
    const ids = [
      await begin(on, steps('hangs-e', config), 'engine'),
      await begin(on, steps('hangs-s', config), 'step_functions'),
    ];
    await within('both calls to be under way', 10_000, () => asked.length === 2);
    return ids;
  };

  it('a server that ends by itself ends the platform with a sentence, and the next start goes on', async () => {
    const first = await folder.start(VIRTUAL, env());
    const id = await begin(first, steps('waits', { duration: '1h' }, 'wait'), 'engine');
    const file = join(folder.path, 'postgres', 'data', 'postmaster.pid');
    const server = Number((await readFile(file, 'utf8')).split('\n', 1)[0]);
    process.kill(server, 'SIGKILL');
    const { code, stderr } = await first.ended;
    expect(code).toBe(3);
    expect(stripVTControlCharacters(stderr)).toContain('PostgreSQL ended by itself');
    const second = await folder.start(VIRTUAL, env());
    const execution = await second.client.getExecution({ execution_id: id });
    expect(execution.workflow_id).toBe('waits');
  });

  it('SIGTERM ends it with exit 0 in time, also while calls hang, and what ran goes on', async () => {
    const first = await folder.start(VIRTUAL, env());
    const ids = await beginHanging(first);
    const started = descendants(first.pid);
    const at = performance.now();
    first.signal('SIGTERM');
    const { code, stderr } = await first.ended;
    expect([code, stderr]).toEqual([0, '']);
    expect(performance.now() - at).toBeLessThan(STOP_MS);
    await within('all that it started to end', 5_000, () => !started.some(isAlive));
    expect(leftovers(folder.path)).toEqual([]);
    // The attempt that was cut off is made again, as the same attempt.
    const second = await folder.start(VIRTUAL, env());
    await within('both calls to be made again', 10_000, () => asked.length === 4);
    for (const id of ids) {
      const { items } = await second.client.listSteps({ execution_id: id });
      expect(items[0]).toMatchObject({ status: 'EXECUTING', attempts: 1 });
    }
  }, 90_000);

  it.each([SEED, SEED + 1])(
    'kill -9 while it drains after Ctrl-C loses nothing (seed %i)',
    async (seed) => {
      const random = seeded(seed);
      const first = await folder.start(VIRTUAL, env());
      const ids = await beginHanging(first);
      const started = descendants(first.pid);
      first.signal('SIGINT');
      // A drain with hanging calls takes seconds: this is inside of it.
      await within('the drain to begin', 10_000, async () => !(await accepts(first)));
      await new Promise((resolve) => setTimeout(resolve, random() * 2_000));
      expect(first.alive).toBe(true);
      first.signal('SIGKILL');
      expect((await first.ended).signal).toBe('SIGKILL');
      await within('no orphan to be left', 10_000, () => !started.some(isAlive));
      const second = await folder.start(VIRTUAL, env());
      await within('both calls to be made again', 15_000, () => asked.length >= 4);
      for (const id of ids) {
        const { items } = await second.client.listSteps({ execution_id: id });
        expect(items[0]).toMatchObject({ status: 'EXECUTING', attempts: 1 });
      }
    },
    90_000,
  );

  it('a virtual clock that jumps days after a kill misses no timer of what was parked', async () => {
    const first = await folder.start(VIRTUAL, env());
    const approval = { assignee: 'ops', timeout: '2d' };
    const ids = [
      await begin(first, steps('asks-e', approval, 'approval'), 'engine'),
      await begin(first, steps('asks-s', approval, 'approval'), 'step_functions'),
    ];
    const client = new pg.Client({ connectionString: first.postgresUrl });
    await client.connect();
    await within('the engine to park its own', 10_000, async () => {
      const { rows } = await client.query(
        'select 1 from workflow_executions where owner is null and wake_at is not null',
      );
      return rows.length === 1;
    });
    await client.end();
    await within('both to ask', 10_000, async () => {
      return (await first.client.listApprovals({})).items.length === 2;
    });
    const before = await first.advance(1_000);
    first.signal('SIGKILL');
    await first.ended;
    const second = await folder.start(VIRTUAL, env());
    expect(await second.advance(0)).toBe(before);
    await second.advance(5 * DAY_MS);
    for (const id of ids) {
      const found = await second.client.getExecution({ execution_id: id });
      expect(found).toMatchObject({ status: 'FAILED', error: { code: 'CloudFlow.Timeout' } });
      const took = Date.parse(found.ended_at ?? '') - Date.parse(found.created_at);
      expect([found.runtime, took]).toEqual([found.runtime, 2 * DAY_MS]);
    }
  }, 90_000);

  it('a request that was cut off may be repeated at once after the restart', async () => {
    const first = await folder.start(VIRTUAL, env());
    const client = new pg.Client({ connectionString: first.postgresUrl });
    client.on('error', () => undefined);
    await client.connect();
    // What a kill in the middle of a request leaves behind: begun, never finished.
    await client.query('begin; lock table workflow_versions in access exclusive mode');
    const body = steps('cut-off', { duration: '1s' }, 'wait');
    const request = { body, idempotencyKey: 'cut-off-1' };
    const cut = first.client.createWorkflow(request).catch(() => 'cut off');
    const watcher = new pg.Client({ connectionString: first.postgresUrl });
    watcher.on('error', () => undefined);
    await watcher.connect();
    await within('the request to be begun', 10_000, async () => {
      const { rows } = await watcher.query(
        'select 1 from idempotency_records where attempt is not null',
      );
      return rows.length === 1;
    });
    first.signal('SIGKILL');
    expect(await cut).toBe('cut off');
    await first.ended;
    const second = await folder.start(VIRTUAL, env());
    expect(await second.client.createWorkflow(request)).toMatchObject({ workflow_id: 'cut-off' });
    // And once it has been answered, its answer is given again.
    expect(await second.client.createWorkflow(request)).toMatchObject({ workflow_id: 'cut-off' });
  }, 90_000);

  it('business time does not go back when a move is cut off', async () => {
    const first = await folder.start(VIRTUAL, env());
    const wait = { duration: '10s' };
    const ids = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        begin(first, steps(`waits-${i}`, { ...wait, duration: `${10 + i}s` }, 'wait'), 'engine'),
      ),
    );
    const client = new pg.Client({ connectionString: first.postgresUrl });
    client.on('error', () => undefined);
    await client.connect();
    const moving = first.advance(3_600_000).catch(() => null);
    // Some have ended, others have not: time is on its way.
    await within('the first to end', 10_000, async () => {
      const { rows } = await client.query(
        `select 1 from workflow_executions where status = 'COMPLETED'`,
      );
      return rows.length > 0;
    });
    first.signal('SIGKILL');
    await moving;
    await first.ended;
    const second = await folder.start(VIRTUAL, env());
    const now = await second.advance(0);
    const after = new pg.Client({ connectionString: second.postgresUrl });
    await after.connect();
    const { rows } = await after.query(
      'select extract(epoch from max(at)) * 1000 as at from execution_events',
    );
    expect(now).toBeGreaterThanOrEqual(Math.floor(Number(rows[0]?.at)));
    await second.advance(3_600_000);
    for (const [i, id] of ids.entries()) {
      const found = await second.client.getExecution({ execution_id: id });
      const took = Date.parse(found.ended_at ?? '') - Date.parse(found.created_at);
      expect([i, found.status, took]).toEqual([i, 'COMPLETED', (10 + i) * 1_000]);
    }
    await after.end();
  }, 90_000);

  it('a folder in use and a port in use are refused in one sentence, and harm nobody', async () => {
    const first = await folder.start(BARE);
    for (const args of [BARE, [...BARE, '--fresh']]) {
      const { code, stderr } = await folder.launch(args).ended;
      expect(code).toBe(2);
      expect(sentence(stderr)).toBe(
        `error  ${folder.path} is in use by process ${first.pid}; stop it, or choose another data directory`,
      );
    }
    const used = new URL(first.baseUrl).port;
    const other = await makeFolder();
    try {
      const { code, stderr } = await other.launch([...BARE, '--port', used]).ended;
      expect(code).toBe(2);
      expect(sentence(stderr)).toBe(
        `error  port ${used} is in use; stop who has it, or choose another with --port`,
      );
      expect(leftovers(other.path)).toEqual([]);
    } finally {
      await other.remove();
    }
    expect(first.alive).toBe(true);
    expect((await first.client.listWorkflows({})).items).toEqual([]);
  }, 90_000);

  it('--once --json prints one object and keeps state; --fresh begins anew', async () => {
    const { code, stdout } = await folder.launch(['--once', '--json']).ended;
    expect(code).toBe(0);
    const lines = stdout.trim().split('\n');
    expect(lines).toHaveLength(1);
    const result = JSON.parse(lines[0] ?? '') as Record<string, { status: string }>;
    expect(Object.keys(result).sort()).toEqual(['engine', 'step_functions']);
    for (const one of Object.values(result)) {
      expect(one).toEqual({
        status: 'COMPLETED',
        output: expect.anything(),
        duration_ms: expect.any(Number),
      });
    }
    expect(leftovers(folder.path)).toEqual([]);
    const key = readStack(folder.path)?.api_key;
    const second = await folder.start(BARE);
    expect((await second.client.listExecutions({})).items).toHaveLength(2);
    expect(readStack(folder.path)?.api_key).toBe(key);
    second.signal('SIGTERM');
    expect((await second.ended).code).toBe(0);
    const third = await folder.start([...BARE, '--fresh']);
    expect((await third.client.listExecutions({})).items).toEqual([]);
    expect(readStack(folder.path)?.api_key).not.toBe(key);
  }, 120_000);

  it('a kill during its very first start leaves a folder that starts', async () => {
    const random = seeded(SEED);
    for (let round = 0; round < 3; round++) {
      const launched = folder.launch(BARE);
      const at = random();
      // Between the first file and the last: initdb, migrations, the first tenant.
      await within('the start to be under way', 20_000, () =>
        existsSync(join(folder.path, at < 0.5 ? 'identity.json' : 'postgres')),
      );
      await new Promise((resolve) => setTimeout(resolve, at * 2_500));
      launched.signal('SIGKILL');
      await launched.ended;
    }
    const last = await folder.start(BARE);
    expect((await last.client.listWorkflows({})).items).toEqual([]);
    const mode = await readFile(join(folder.path, 'stack.json'), 'utf8');
    expect(JSON.parse(mode)).toMatchObject({ processes: [{ pid: last.pid }] });
  }, 120_000);
});

/** Whether somebody still takes connections there. */
async function accepts(platform: RunningPlatform): Promise<boolean> {
  try {
    await fetch(`${platform.baseUrl}/healthz`);
    return true;
  } catch {
    return false;
  }
}

function sentence(stderr: string): string {
  return stripVTControlCharacters(stderr).trim();
}
