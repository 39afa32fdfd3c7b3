import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import type { Pool } from 'pg';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { createPartitions } from '#adapters/postgres/partitions.ts';
import { createTestDatabase, describeWithPostgres } from '#test/support/database.ts';

const NOW = Date.parse('2027-03-10T00:00:00Z');

/** Ids of one month, in the order of `n`. */
const idOf = (n: number): string => {
  const at = (NOW - 3_600_000 + n).toString(16).padStart(12, '0');
  return `${at.slice(0, 8)}-${at.slice(8)}-7000-8000-${randomUUID().slice(24)}`;
};

describeWithPostgres('claims, when more is due than one look takes', () => {
  let admin: Pool;
  let engine: Pool;

  beforeAll(async () => {
    const database = await createTestDatabase();
    admin = database.admin;
    engine = database.pool('cloudflow_engine');
    await createPartitions(engine).ensure(NOW);
  });
  beforeEach(() => admin.query('delete from workflow_executions'));
  afterAll(() => admin?.query('select 1'));

  /** So many due of each tenant, the first tenant's all before the second's. */
  async function park(tenants: readonly { readonly id: string; readonly due: number }[]) {
    let n = 0;
    for (const { id: tenant, due } of tenants) {
      const ids = Array.from({ length: due }, () => idOf(n++));
      await admin.query(
        `insert into workflow_executions
           (tenant_id, id, root_id, depth, workflow_id, version, program_hash, runtime, mode, status,
            input_hash, epoch, wake_at, created_at)
         select $1, id, id, 0, 'w', '1.0.0', 'h', 'engine', 'live', 'PENDING', 'i', 0,
                to_timestamp($3) - interval '1 hour' + ($4 + n) * interval '1 millisecond',
                to_timestamp($3)
         from unnest($2::uuid[]) with ordinality as due (id, n)`,
        [tenant, ids, NOW / 1_000, n],
      );
    }
  }
  async function claim(limit: number, from: string = randomUUID()): Promise<Map<string, number>> {
    const { rows } = await engine.query<{ tenant_id: string }>(
      `select tenant_id from claim_in_turn('me', $1, to_timestamp($2), $3)`,
      [limit, NOW / 1_000, from],
    );
    const claimed = new Map<string, number>();
    for (const { tenant_id } of rows) claimed.set(tenant_id, (claimed.get(tenant_id) ?? 0) + 1);
    return claimed;
  }
  const sum = (claimed: Map<string, number>) => [...claimed.values()].reduce((a, b) => a + b, 0);

  it('one tenant floods, nine small ones have their few in the first looks', async () => {
    const flood = { id: randomUUID(), due: 2_000 };
    const small = Array.from({ length: 9 }, () => ({ id: randomUUID(), due: 5 }));
    await park([flood, ...small]);
    const first = await claim(50);
    expect(sum(first)).toBe(50);
    // Ten tenants, fifty places: five each.
    for (const { id } of [flood, ...small]) expect(first.get(id), id).toBe(5);
    expect([...(await claim(50)).entries()]).toEqual([[flood.id, 50]]);
  });

  it('whatever is due: no tenant is given a second place before every other had its first', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 12 }),
        fc.integer({ min: 1, max: 60 }),
        fc.uuid(),
        async (dues, limit, from) => {
          await admin.query('delete from workflow_executions');
          const tenants = dues.map((due) => ({ id: randomUUID(), due }));
          await park(tenants);
          const total = dues.reduce((a, b) => a + b, 0);
          const claimed = await claim(limit, from);
          expect(sum(claimed)).toBe(Math.min(limit, total));
          if (total <= limit) return;
          const shares = tenants.map(({ id, due }) => ({ got: claimed.get(id) ?? 0, due }));
          const most = Math.max(...shares.map(({ got }) => got));
          // Whoever has less than the most, but for one, has all that it wanted.
          for (const { got, due } of shares) if (got < most - 1) expect(got).toBe(due);
        },
      ),
      { seed: 7, numRuns: 40 },
    );
  });

  it('each is taken once, the oldest of a tenant first, until nothing is left', async () => {
    const tenants = Array.from({ length: 4 }, (_, n) => ({ id: randomUUID(), due: 30 + n }));
    await park(tenants);
    let total = 0;
    for (let looks = 0; looks < 20; looks++) {
      total += sum(await claim(10));
      const { rows } = await admin.query<{ fine: boolean }>(
        `select coalesce(max(id::text) filter (where owner is not null), '') <
                coalesce(min(id::text) filter (where owner is null), 'g') as fine
         from workflow_executions group by tenant_id`,
      );
      expect(rows.every(({ fine }) => fine)).toBe(true);
    }
    expect(total).toBe(126);
    const { rows } = await admin.query(`select from workflow_executions where epoch <> 1`);
    expect(rows).toEqual([]);
  });

  /** With shares: of each, and what is left of some. */
  async function claimShares(
    limit: number,
    each: number,
    left: readonly (readonly [string, number])[] = [],
  ): Promise<Map<string, number>> {
    const { rows } = await engine.query<{ tenant_id: string }>(
      `select tenant_id from claim_by_share('me', $1, to_timestamp($2), $3, $4, $5, $6)`,
      [
        ...[limit, NOW / 1_000, randomUUID(), each],
        ...[left.map(([tenant]) => tenant), left.map(([, more]) => more)],
      ],
    );
    const claimed = new Map<string, number>();
    for (const { tenant_id } of rows) claimed.set(tenant_id, (claimed.get(tenant_id) ?? 0) + 1);
    return claimed;
  }

  it('no tenant is given more than its share, also where one look would take all that is due', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ due: fc.nat(30), left: fc.option(fc.nat(20)) }), {
          minLength: 1,
          maxLength: 8,
        }),
        fc.integer({ min: 1, max: 80 }),
        fc.integer({ min: 0, max: 25 }),
        async (wishes, limit, each) => {
          await admin.query('delete from workflow_executions');
          const tenants = wishes.map(({ due, left }) => ({ id: randomUUID(), due, left }));
          await park(tenants);
          const claimed = await claimShares(
            limit,
            each,
            tenants.flatMap(({ id, left }) => (left === null ? [] : [[id, left] as const])),
          );
          let possible = 0;
          for (const { id, due, left } of tenants) {
            const most = Math.min(due, left ?? each);
            possible += most;
            expect(claimed.get(id) ?? 0).toBeLessThanOrEqual(most);
          }
          expect(sum(claimed)).toBe(Math.min(limit, possible));
        },
      ),
      { seed: 9, numRuns: 40 },
    );
  });

  it('priority goes first within a tenant, and passes nothing of another', async () => {
    const [hasty, calm] = [randomUUID(), randomUUID()];
    await park([
      { id: calm, due: 20 },
      { id: hasty, due: 20 },
    ]);
    // Those of one tenant are all of the highest priority.
    await admin.query(
      `update workflow_executions set priority = 9, wake_at = start_turn(wake_at, 9::smallint)
       where tenant_id = $1`,
      [hasty],
    );
    const [urgent] = (
      await admin.query<{ id: string }>(
        `update workflow_executions set priority = 1, wake_at = start_turn(wake_at, 1::smallint)
         where id = (select id from workflow_executions where tenant_id = $1 order by id desc limit 1)
         returning id`,
        [calm],
      )
    ).rows;
    const claimed = await claimShares(10, 10);
    expect([claimed.get(hasty), claimed.get(calm)]).toEqual([5, 5]);
    const { rows } = await admin.query(
      'select from workflow_executions where id = $1 and owner is not null',
      [urgent?.id],
    );
    expect(rows).toHaveLength(1);
  });
});
