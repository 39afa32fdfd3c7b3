import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import pg from 'pg';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { describeWithPostgres } from '#test/support/database.ts';
import {
  isAlive,
  makeFolder,
  type PlatformFolder,
  type RunningPlatform,
  readStack,
  within,
} from './platform-process.ts';

const LONG_MS = 60_000;
/**
 * Fewer than one engine has calls to one host out at a time: how they fall to the engines is chance, and
 * none may wait at the gate until another's time is over. More than one engine begins at one look.
 */
const EXECUTIONS = 24;

interface Process {
  readonly role: string;
  readonly pid: number;
  readonly url?: string;
}

// It starts servers of its own; where none can be had, neither can the shared one.
describeWithPostgres('engines in processes of their own', () => {
  let folder: PlatformFolder;
  let target: Server;
  let port: number;
  /** Keys of steps, as often as they were asked for. */
  let asked: string[];
  /** Requests wait for it. */
  let open: () => void;

  beforeEach(async () => {
    folder = await makeFolder();
    asked = [];
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    target = createServer((request, response) => {
      asked.push(String(request.headers['x-cloudflow-execution']));
      void gate.then(() => response.end('{}'));
    });
    await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve));
    port = (target.address() as AddressInfo).port;
  });
  afterEach(async () => {
    open();
    try {
      await folder.remove();
    } finally {
      await new Promise<void>((resolve) => {
        target.close(() => resolve());
        target.closeAllConnections();
      });
    }
  });

  const enginesOf = (): readonly Process[] =>
    ((readStack(folder.path)?.processes ?? []) as readonly Process[]).filter(
      ({ role }) => role === 'engine',
    );
  const start = (engines: number): Promise<RunningPlatform> =>
    folder.start(['--engines', String(engines), '--no-example'], {
      EGRESS_ALLOW: `127.0.0.1:${port}`,
    });
  async function begin({ client }: RunningPlatform, many: number): Promise<readonly string[]> {
    await client.createWorkflow({
      body: {
        workflow_id: 'calls',
        version: '1.0.0',
        steps: [
          {
            id: 'one',
            type: 'http_request',
            config: { url: `http://127.0.0.1:${port}/`, timeout: '300s' },
          },
        ],
      } as never,
    });
    const ids: string[] = [];
    for (let i = 0; i < many; i++) {
      const { execution_id } = await client.executeWorkflow({
        workflow_id: 'calls',
        body: { runtime: 'engine' },
      });
      ids.push(execution_id);
    }
    return ids;
  }
  async function owners(platform: RunningPlatform): Promise<Map<string, number>> {
    const database = new pg.Client({ connectionString: platform.postgresUrl });
    await database.connect();
    try {
      const { rows } = await database.query<{ owner: string; n: number }>(
        `select owner, count(*)::integer as n from workflow_executions
         where outcome is null and owner is not null group by owner`,
      );
      return new Map(rows.map(({ owner, n }) => [owner, n]));
    } finally {
      await database.end();
    }
  }

  it('one is killed: the other takes over what it had, and another one comes in its place', {
    timeout: 180_000,
  }, async () => {
    const platform = await start(2);
    const before = enginesOf();
    expect(before).toHaveLength(2);
    for (const { url, pid } of before) {
      expect(pid).not.toBe(platform.pid);
      expect(await (await fetch(`${url}/healthz`)).json()).toMatchObject({ status: 'ok' });
      expect((await fetch(`${url}/readyz`)).status).toBe(200);
    }
    const ids = await begin(platform, EXECUTIONS);
    await within(
      'all steps to be asked for',
      LONG_MS,
      () => new Set(asked).size >= 1 && asked.length >= EXECUTIONS,
    );
    const had = await owners(platform);
    expect(had.size).toBe(2);

    const [victim] = before;
    process.kill(victim?.pid ?? 0, 'SIGKILL');
    await within('another engine', LONG_MS, async () => {
      const now = enginesOf();
      return now.length === 2 && now.every(({ pid }) => pid !== victim?.pid && isAlive(pid));
    });
    // What the dead one had asked for is asked for again, by somebody else.
    await within('its steps to be asked for again', LONG_MS, () => asked.length > EXECUTIONS);
    open();
    const statusOf = async (execution_id: string) =>
      (await platform.client.getExecution({ execution_id })).status;
    await within('all to end', LONG_MS, async () => {
      for (const id of ids) if ((await statusOf(id)) !== 'COMPLETED') return false;
      return true;
    });
    const { items } = await platform.client.listExecutions({ query: { limit: 200 } });
    expect(items).toHaveLength(EXECUTIONS);
    expect(platform.stderr).toContain('EXECUTIONS_TAKEN_OVER');

    platform.signal('SIGTERM');
    expect(await platform.ended).toMatchObject({ code: 0 });
    for (const { pid } of enginesOf()) expect(isAlive(pid)).toBe(false);
  });

  it('the platform is killed: its engines end, and the next start goes on', {
    timeout: 180_000,
  }, async () => {
    const platform = await start(1);
    const [engine] = enginesOf();
    const ids = await begin(platform, 3);
    await within('the steps to be asked for', LONG_MS, () => asked.length >= 3);
    platform.signal('SIGKILL');
    await platform.ended;
    open();
    await within('the engine to end', LONG_MS, () => !isAlive(engine?.pid ?? 0));
    const again = await start(1);
    await within('all to end', LONG_MS, async () => {
      for (const execution_id of ids) {
        const { status } = await again.client.getExecution({ execution_id });
        if (status !== 'COMPLETED') return false;
      }
      return true;
    });
  });

  it('a virtual clock and several processes are refused', { timeout: 60_000 }, async () => {
    const launched = folder.launch(['--engines', '2', '--clock', 'virtual', '--no-example']);
    expect(await launched.ended).toMatchObject({ code: 2 });
  });
});
