import { afterEach, beforeEach, expect, it } from 'vitest';
import { prepare, writeTransitions } from '#adapters/postgres/append.ts';
import { createPlainCodec } from '#adapters/postgres/payload-codec.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import { chainOf, createTestPlatform, TENANT } from '#test/support/platform.ts';
import {
  type EngineProcess,
  type Ledger,
  startEngineProcess,
  startLedger,
} from '#test/support/processes.ts';

const program = chainOf(2);

/** A hit that waits until it is let go. */
interface Held {
  readonly pid: number;
  release(): void;
}

describeWithPostgres('a process that was stopped for longer than its lease', () => {
  let database: TestDatabase;
  let ledger: Ledger;
  let held: Held[];
  const engines: EngineProcess[] = [];

  beforeEach(async () => {
    database = await createTestDatabase();
    held = [];
    ledger = await startLedger(
      ({ pid }) =>
        new Promise((resolve) => {
          held.push({ pid, release: () => resolve({ pid }) });
        }),
    );
  });
  afterEach(async () => {
    await Promise.all(engines.splice(0).map((engine) => engine.kill()));
    await ledger.close();
  });

  async function start(blind: boolean): Promise<EngineProcess> {
    const engine = await startEngineProcess({
      url: database.url,
      ledger: ledger.url,
      program,
      leaseMs: 800,
      heartbeatMs: 200,
      blind,
    });
    engines.push(engine);
    return engine;
  }

  const status = async (): Promise<string> => {
    const { rows } = await database.admin.query<{ status: string; epoch: number }>(
      'select status, epoch from workflow_executions',
    );
    return rows.map((row) => `${row.status} ${row.epoch}`).join();
  };

  /** Events that the first owner wrote after the second had claimed. */
  async function writtenByZombie(): Promise<number> {
    const zombie = await start(true);
    zombie.accept(1);
    await expect.poll(() => held.length, { timeout: 5_000 }).toBe(1);
    zombie.signal('SIGSTOP');
    const second = await start(false);
    await expect.poll(status, { timeout: 10_000 }).toBe('RUNNING 2');
    await expect.poll(() => held.length, { timeout: 5_000 }).toBe(2);
    const { rows: before } = await database.admin.query('select seq from execution_events');
    // The zombie's call answers, it wakes and goes on as if nothing had happened.
    held[0]!.release();
    zombie.signal('SIGCONT');
    await expect
      .poll(
        async () => {
          const { rows } = await database.admin.query('select seq from execution_events');
          return zombie.fenced.length > 0 || rows.length > before.length;
        },
        { timeout: 5_000, interval: 20 },
      )
      .toBe(true);
    const { rows: after } = await database.admin.query<{ epoch: number }>(
      'select epoch from execution_events where seq > $1',
      [before.length],
    );
    const written = after.filter((row) => row.epoch === 1).length;
    if (written === 0) {
      held[1]!.release();
      await expect.poll(() => held.length, { timeout: 5_000 }).toBe(3);
      expect(held[2]!.pid).toBe(second.pid);
      held[2]!.release();
      await expect.poll(status, { timeout: 5_000 }).toBe('COMPLETED 2');
      const { rows } = await database.admin.query<{ payload: string }>(
        `select payload from execution_events where type = 'step_succeeded' order by seq`,
      );
      expect(rows.map((row) => JSON.parse(row.payload.slice(2)).output.pid)).toEqual([
        second.pid,
        second.pid,
      ]);
    }
    return written;
  }

  it('records nothing once another owns the execution', async () => {
    expect(await writtenByZombie()).toBe(0);
  }, 40_000);

  it('would record, were it not for the epoch in the condition', async () => {
    // A mutation of the fence: without this the test above would prove nothing.
    const { rows } = await database.admin.query<{ source: string }>(
      "select pg_get_functiondef('append_transitions'::regproc) as source",
    );
    const source = rows[0]!.source;
    const broken = source.replaceAll('and e.epoch = x.epoch', '');
    expect(broken).not.toBe(source);
    await database.admin.query(broken);
    expect(await writtenByZombie()).toBeGreaterThan(0);
  }, 40_000);

  it('is thrown out of a transaction that it holds open', async () => {
    const platform = createTestPlatform({
      url: database.url,
      programs: [program],
      performer: {
        call: () => Promise.reject(new Error('nothing runs here')),
        compensate: () => Promise.reject(new Error('nothing runs here')),
      },
    });
    const { store } = platform.deps;
    const request = platform.request(program);
    await platform.access.accept(request);
    await store.heartbeat('zombie', 60_000);
    const loaded = (await store.claimOne('zombie', TENANT, request.id))!;
    const transition = (epoch: number) => ({
      tenant: TENANT,
      executionId: request.id,
      epoch,
      events: [{ seq: 2, at: 0, event: { type: 'execution_started' as const } }],
      steps: [],
      execution: {
        status: 'RUNNING' as const,
        phase: null,
        startedAt: 0,
        endedAt: null,
        output: null,
        error: null,
        compensation: null,
      },
      checkpoint: null,
      consumedSignals: [],
      outbox: [],
      parentSignal: null,
      childSignals: [],
      now: Date.now(),
    });
    // Written but not committed: it holds the row and the sequence number.
    const client = await database.pool('cloudflow_engine').connect();
    const thrownOut = new Promise((resolve) => client.on('error', resolve));
    await client.query('begin');
    await writeTransitions(client, createPlainCodec(), [
      prepare(createPlainCodec(), transition(loaded.epoch)),
    ]);
    await store.resign('zombie');
    await store.heartbeat('second', 60_000);
    const from = performance.now();
    await expect
      .poll(async () => (await store.takeOver('second', 10)).length, {
        timeout: 5_000,
        interval: 20,
      })
      .toBe(1);
    expect(await store.append(transition(2))).toBe('written');
    expect(performance.now() - from).toBeLessThan(3_000);
    await thrownOut;
    client.release(true);
    const { rows } = await database.admin.query<{ epoch: number }>(
      'select epoch from execution_events order by seq',
    );
    expect(rows.map((row) => row.epoch)).toEqual([0, 2]);
    await platform.close();
  });
});
