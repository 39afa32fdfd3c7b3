import { randomUUID } from 'node:crypto';
import { afterEach, beforeAll, expect, it } from 'vitest';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import { chainOf, createTestPlatform, type TestPlatform } from '#test/support/platform.ts';

const SIZE = 100;

describeWithPostgres('the room of an engine, shared among tenants', () => {
  let database: TestDatabase;
  const open: TestPlatform[] = [];

  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((platform) => platform.close()));
  });

  /** Calls of `greedy` do not end before they are let go. */
  async function crowded(adopt: boolean) {
    const greedy = randomUUID();
    const program = chainOf(1);
    const under = new Map<string, number>();
    let letGo = () => {};
    const gone = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    const platform = createTestPlatform({
      url: database.url,
      programs: [program],
      adopt,
      limits: { maxActive: SIZE, pollMs: 20, drainMs: 1 },
      performer: {
        call: async ({ tenant }) => {
          under.set(tenant, (under.get(tenant) ?? 0) + 1);
          if (tenant === greedy) await gone;
          return { ok: true, output: null, compensation: null };
        },
        compensate: async () => ({ ok: true }),
      },
    });
    open.push(platform);
    await platform.engine.start();
    const start = async (tenant: string): Promise<string> => {
      const request = platform.request(program, { tenant });
      await platform.access.accept(request);
      return request.id;
    };
    const statuses = async (tenant: string) => {
      const { rows } = await database.admin.query<{ status: string; n: number }>(
        `select status, count(*)::integer as n from workflow_executions where tenant_id = $1
         group by status`,
        [tenant],
      );
      return Object.fromEntries(rows.map(({ status, n }) => [status, n]));
    };
    const active = async (tenant: string): Promise<number> => {
      const { rows } = await database.admin.query<{ n: number }>(
        `select count(*)::integer as n from workflow_executions
         where tenant_id = $1 and owner is not null and outcome is null`,
        [tenant],
      );
      return rows[0]?.n ?? 0;
    };
    return { greedy, platform, under, start, statuses, active, letGo: () => letGo() };
  }

  it.each([true, false])(
    'a tenant with thousands that do not end has four fifths of it; a small one begins and ends all of its own (adopted: %s)',
    async (adopt) => {
      const world = await crowded(adopt);
      await Promise.all(Array.from({ length: 2_000 }, () => world.start(world.greedy)));
      await expect
        .poll(() => world.under.get(world.greedy) ?? 0, { timeout: 60_000, interval: 20 })
        .toBe(0.8 * SIZE);
      const small = randomUUID();
      await Promise.all(Array.from({ length: 200 }, () => world.start(small)));
      await expect
        .poll(() => world.statuses(small), { timeout: 60_000, interval: 50 })
        .toEqual({ COMPLETED: 200 });
      // It waited for nothing of the other's.
      expect(world.under.get(world.greedy)).toBe(0.8 * SIZE);
      expect(await world.active(world.greedy)).toBe(0.8 * SIZE);
      world.letGo();
      await expect
        .poll(() => world.statuses(world.greedy), { timeout: 120_000, interval: 100 })
        .toEqual({ COMPLETED: 2_000 });
    },
    180_000,
  );

  it('a take-over fills no more than the share of a tenant either, and the rest follows', async () => {
    const world = await crowded(true);
    const dead = randomUUID();
    const ids = await Promise.all(
      Array.from({ length: 150 }, async () => {
        const request = world.platform.request(chainOf(1), { tenant: world.greedy });
        await world.platform.access.accept(request);
        return request.id;
      }),
    );
    await database.admin.query(
      `insert into engine_processes (owner, lease_until) values ($1, clock_timestamp() - interval '1 minute')`,
      [dead],
    );
    await database.admin.query(
      `update workflow_executions set owner = $2, epoch = epoch + 1, wake_at = null
       where tenant_id = $1 and id = any ($3) and owner is null`,
      [world.greedy, dead, ids],
    );
    const small = randomUUID();
    await world.start(small);
    await expect
      .poll(() => world.statuses(small), { timeout: 60_000, interval: 50 })
      .toEqual({ COMPLETED: 1 });
    expect(world.platform.engine.stats.active).toBeLessThanOrEqual(SIZE);
    world.letGo();
    await expect
      .poll(() => world.statuses(world.greedy), { timeout: 120_000, interval: 100 })
      .toEqual({ COMPLETED: 150 });
  }, 180_000);
});
