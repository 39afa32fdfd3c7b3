import { setTimeout as pause } from 'node:timers/promises';
import { beforeAll, expect, it } from 'vitest';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import { chainOf, TENANT } from '#test/support/platform.ts';
import {
  type EngineProcess,
  seeded,
  startEngineProcess,
  startLedger,
} from '#test/support/processes.ts';

const LIMIT = 3;
const KILLS = 8;
const PER_ROUND = 12;
const program = chainOf(2);

describeWithPostgres('a limit, while engines are killed', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
    await database.admin.query(
      `insert into tenants (id, name, created_at) values ($1, 'limited', now())`,
      [TENANT],
    );
    await database.admin.query(
      `insert into start_gates (tenant_id, mode, workflow_id, concurrency)
       values ($1, 'live', $2, $3)`,
      [TENANT, program.workflowId, LIMIT],
    );
  });

  const look = async () => {
    const { rows } = await database.admin.query<{ runs: number; open: number; waits: number }>(
      `select count(*) filter (where outcome is null and phase is distinct from 'queued')::integer as runs,
              count(*) filter (where outcome is null)::integer as open,
              (select count(*)::integer from waiting_starts) as waits
       from workflow_executions`,
    );
    return rows[0] as { runs: number; open: number; waits: number };
  };

  it('is held at every look, and no slot is lost: all that was accepted ends', async () => {
    const random = seeded(21);
    const ledger = await startLedger(async () => {
      await pause(Math.floor(random() * 30));
      return { ok: true };
    });
    const options = {
      ...{ url: database.url, ledger: ledger.url, program, blind: false },
      ...{ leaseMs: 900, heartbeatMs: 200 },
    };
    const acknowledged = new Set<string>();
    const seen: number[] = [];
    let watching = true;
    const watched = (async () => {
      while (watching) {
        seen.push((await look()).runs);
        await pause(3);
      }
    })();
    const engines: EngineProcess[] = [];
    let slotsHeldAtKill = 0;
    try {
      engines.push(await startEngineProcess(options), await startEngineProcess(options));
      for (let kill = 0; kill < KILLS; kill++) {
        for (const engine of engines) engine.accept(PER_ROUND);
        const before = ledger.hits.length;
        await expect
          .poll(() => ledger.hits.length, { timeout: 30_000, interval: 2 })
          .toBeGreaterThan(before);
        await pause(random() * 150);
        const victim = engines.splice(random() < 0.5 ? 0 : 1, 1)[0] as EngineProcess;
        await victim.kill();
        if ((await look()).runs > 0) slotsHeldAtKill += 1;
        for (const id of victim.accepted) acknowledged.add(id);
        engines.push(await startEngineProcess(options));
      }
      await expect
        .poll(async () => (await look()).open, { timeout: 120_000, interval: 100 })
        .toBe(0);
    } finally {
      watching = false;
      await watched;
      for (const engine of engines) {
        for (const id of engine.accepted) acknowledged.add(id);
        await engine.kill();
      }
      await ledger.close();
    }
    // The run counts only if kills met slots that were taken, and the limit was reached.
    expect(slotsHeldAtKill).toBeGreaterThanOrEqual(KILLS / 2);
    expect(seen.length).toBeGreaterThan(100);
    expect(Math.max(...seen)).toBe(LIMIT);
    expect((await look()).waits).toBe(0);
    const { rows } = await database.admin.query<{ id: string; status: string }>(
      'select id, status from workflow_executions',
    );
    const statusOf = new Map(rows.map(({ id, status }) => [id, status]));
    expect(acknowledged.size).toBeGreaterThan(KILLS * PER_ROUND);
    expect([...acknowledged].filter((id) => statusOf.get(id) !== 'COMPLETED')).toEqual([]);
  }, 240_000);
});
