import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { afterEach, expect, it } from 'vitest';
import { migrate } from '#adapters/postgres/migrate.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '#local/embedded-postgres.ts';
import { describeWithPostgres } from '#test/support/database.ts';
import { chainOf, createTestPlatform, TENANT, type TestPlatform } from '#test/support/platform.ts';

const program = chainOf(6);

describeWithPostgres('an engine whose database crashes', () => {
  let server: EmbeddedPostgres | null = null;
  let directory = '';
  let platform: TestPlatform | null = null;

  afterEach(async () => {
    await platform?.close();
    await server?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  it('goes on by itself when it is back, with everything that was acknowledged', async () => {
    directory = await mkdtemp(join(tmpdir(), 'cloudflow-loss-'));
    await chmod(directory, 0o755);
    server = await startEmbeddedPostgres({ directory }); // durable: fsync is on
    const { port } = server;
    await migrate(server.url);
    const hits: { key: string; at: number }[] = [];
    platform = createTestPlatform({
      url: server.url,
      programs: [program],
      limits: { leaseMs: 1_500, heartbeatMs: 300, pollMs: 100 },
      performer: {
        call: async (call) => {
          hits.push({ key: `${call.executionId}/${call.key}`, at: Date.now() });
          await pause(20);
          return { ok: true, output: {}, compensation: null };
        },
        compensate: async () => ({ ok: true }),
      },
    });
    await platform.engine.start();

    const acknowledged: string[] = [];
    let accepting = true;
    const clients = Array.from({ length: 8 }, async () => {
      while (accepting) {
        const request = platform!.request(program);
        // Refused or unknown is legal while the database is away; only acknowledged ones count.
        await platform!.access.accept(request).then(
          () => acknowledged.push(request.id),
          () => pause(50),
        );
      }
    });
    for (let crash = 0; crash < 2; crash++) {
      const before = acknowledged.length;
      await expect
        .poll(() => acknowledged.length, { timeout: 20_000 })
        .toBeGreaterThan(before + 30);
      process.kill(server.pid, 'SIGKILL');
      await server.ended;
      await pause(300);
      server = await startEmbeddedPostgres({ directory, port });
    }
    const before = acknowledged.length;
    await expect.poll(() => acknowledged.length, { timeout: 20_000 }).toBeGreaterThan(before + 10);
    accepting = false;
    await Promise.all(clients);

    const client = new pg.Client({ connectionString: server.url });
    await client.connect();
    try {
      await expect
        .poll(
          async () => {
            const { rows } = await client.query<{ n: string }>(
              "select count(*) as n from workflow_executions where status in ('PENDING', 'RUNNING')",
            );
            return Number(rows[0]?.n);
          },
          { timeout: 40_000, interval: 200 },
        )
        .toBe(0);
      const { rows } = await client.query<{ id: string; status: string }>(
        'select id, status from workflow_executions',
      );
      const statusOf = new Map(rows.map((row) => [row.id, row.status]));
      expect(acknowledged.filter((id) => statusOf.get(id) !== 'COMPLETED')).toEqual([]);
      const { rows: recorded } = await client.query<{ key: string; at: string }>(
        `select execution_id || '/' || (substr(payload, 3)::jsonb ->> 'step') as key,
                extract(epoch from at) * 1000 as at
         from execution_events where type = 'step_succeeded'`,
      );
      const recordedAt = new Map(recorded.map((row) => [row.key, Number(row.at)]));
      expect(recordedAt.size).toBe(recorded.length);
      expect(hits.filter((hit) => hit.at > (recordedAt.get(hit.key) ?? 0))).toEqual([]);
      expect(await platform.access.getExecution(TENANT, acknowledged[0]!)).not.toBeNull();
    } finally {
      await client.end();
    }
  }, 120_000);
});
