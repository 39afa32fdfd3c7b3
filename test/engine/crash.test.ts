import { setTimeout as pause } from 'node:timers/promises';
import { beforeAll, expect, it } from 'vitest';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import { chainOf } from '#test/support/platform.ts';
import {
  type EngineProcess,
  seeded,
  startEngineProcess,
  startLedger,
} from '#test/support/processes.ts';

const program = chainOf(5);
const ROUNDS = 6;
const PER_ROUND = 40;

/** Checks the log of every execution; answers lines that say what is wrong. */
async function violations(
  database: TestDatabase,
  hits: readonly { readonly key: string; readonly at: number }[],
): Promise<string[]> {
  const { rows } = await database.admin.query<{
    execution_id: string;
    seq: number;
    epoch: number;
    at: number;
    type: string;
    step: string | null;
  }>(
    `select execution_id, seq, epoch, at, type, substr(payload, 3)::jsonb ->> 'step' as step
     from execution_events order by execution_id, seq`,
  );
  const wrong: string[] = [];
  let before: (typeof rows)[number] | null = null;
  const recorded = new Map<string, number>();
  for (const row of rows) {
    const name = `${row.execution_id} #${row.seq}`;
    const first = before?.execution_id !== row.execution_id;
    if (row.seq !== (first ? 1 : before!.seq + 1)) wrong.push(`${name}: gap in the sequence`);
    if (!first && row.epoch < before!.epoch) wrong.push(`${name}: epoch fell`);
    if (row.type === 'step_succeeded') {
      const key = `${row.execution_id}/${row.step}`;
      if (recorded.has(key)) wrong.push(`${name}: ${row.step} ended twice`);
      recorded.set(key, row.at);
    }
    before = row;
  }
  for (const hit of hits) {
    const at = recorded.get(hit.key);
    if (at !== undefined && hit.at > at)
      wrong.push(`${hit.key}: called again after it was recorded`);
  }
  return wrong;
}

describeWithPostgres('an engine that is killed at any instant', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  });

  it.each([11, 12])(
    'loses nothing that was acknowledged and repeats nothing that was recorded (seed %i)',
    async (seed) => {
      const random = seeded(seed);
      const ledger = await startLedger(async () => {
        await pause(Math.floor(random() * 40));
        return { ok: true };
      });
      const options = {
        url: database.url,
        ledger: ledger.url,
        program,
        leaseMs: 900,
        heartbeatMs: 200,
        blind: false,
      };
      const acknowledged = new Set<string>();
      let inFlightAtKill = 0;
      let engine: EngineProcess | null = null;
      try {
        for (let round = 0; round < ROUNDS; round++) {
          engine = await startEngineProcess(options);
          engine.accept(PER_ROUND);
          const before = ledger.hits.length;
          await expect
            .poll(() => ledger.hits.length, { timeout: 10_000, interval: 2 })
            .toBeGreaterThan(before);
          await pause(random() * 120);
          await engine.kill();
          for (const id of engine.accepted) acknowledged.add(id);
          const { rows } = await database.admin.query<{ n: string }>(
            `select count(*) as n from workflow_executions where status in ('PENDING', 'RUNNING')`,
          );
          if (Number(rows[0]?.n) > 0) inFlightAtKill += 1;
        }
        engine = await startEngineProcess(options);
        await expect
          .poll(
            async () => {
              const { rows } = await database.admin.query<{ n: string }>(
                `select count(*) as n from workflow_executions where status in ('PENDING', 'RUNNING')`,
              );
              return Number(rows[0]?.n);
            },
            { timeout: 40_000, interval: 100 },
          )
          .toBe(0);
      } finally {
        await engine?.kill();
        await ledger.close();
      }
      // The run counts only if the kills met work under way and acceptances went through.
      expect(inFlightAtKill).toBeGreaterThanOrEqual(ROUNDS - 1);
      expect(acknowledged.size).toBeGreaterThan(PER_ROUND);
      const { rows: ends } = await database.admin.query<{ id: string; status: string }>(
        'select id, status from workflow_executions',
      );
      const statusOf = new Map(ends.map((row) => [row.id, row.status]));
      expect([...acknowledged].filter((id) => statusOf.get(id) !== 'COMPLETED')).toEqual([]);
      expect(await violations(database, ledger.hits)).toEqual([]);
    },
    90_000,
  );
});
