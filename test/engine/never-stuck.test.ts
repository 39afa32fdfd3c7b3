import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createJsonLog } from '#adapters/local/json-log.ts';
import type { Program } from '#core/plan/program.ts';
import type { StepPerformer } from '#engine/deps.ts';
import { createVirtualClock } from '#local/virtual-clock.ts';
import type { Clock } from '#ports/clock.ts';
import type { ReleaseRequest } from '#ports/execution-store.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import {
  chainOf,
  createTestPlatform,
  programOf,
  TENANT,
  type TestPlatform,
  type TestPlatformOptions,
} from '#test/support/platform.ts';

const START = Date.parse('2026-11-22T12:00:00Z');
const SLOW = { timeout: 60_000, interval: 20 };
const sleeps = (duration: string): Program =>
  programOf({
    workflow_id: 'sleeps',
    version: '1.0.0',
    steps: [{ id: 'nap', type: 'wait', config: { duration } }],
  });

describeWithPostgres('an execution that nobody would go on with', () => {
  let database: TestDatabase;
  const open: TestPlatform[] = [];

  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((platform) => platform.close()));
  });

  const answers: StepPerformer = {
    call: () => Promise.resolve({ ok: true, output: 'done', compensation: null }),
    compensate: () => Promise.resolve({ ok: true }),
  };

  function platformWith(
    options: Omit<TestPlatformOptions, 'url' | 'performer'> & { performer?: StepPerformer },
  ): TestPlatform {
    const platform = createTestPlatform({ performer: answers, ...options, url: database.url });
    open.push(platform);
    return platform;
  }

  const rowOf = (platform: TestPlatform, id: string) => platform.access.getExecution(TENANT, id);

  it('has timers that ring although the clock of its host goes back before they are heard', async () => {
    const virtual = createVirtualClock({ start: START });
    let backMs = 0;
    const clock = Object.create(virtual, {
      now: { value: () => virtual.now() - backMs },
    }) as Clock;
    let answer = (): void => undefined;
    let write = (): void => undefined;
    let isWriting = false;
    const program = programOf({
      workflow_id: 'both',
      version: '1.0.0',
      steps: [
        { id: 'nap', type: 'wait', config: { duration: '2s' } },
        { id: 'call', type: 'http_request', config: { url: 'https://example.com/' } },
      ],
    });
    const platform = platformWith({
      ...{ programs: [program], clock },
      performer: {
        ...answers,
        call: () =>
          new Promise((resolve) => {
            answer = () => resolve({ ok: true, output: 'done', compensation: null });
          }),
      },
      decorateStore: (store) => ({
        ...store,
        async append(request) {
          if (request.events.some(({ event }) => event.type === 'step_succeeded') && !isWriting) {
            isWriting = true;
            await new Promise<void>((resolve) => {
              write = resolve;
            });
          }
          return store.append(request);
        },
      }),
    });
    await platform.engine.start();
    const request = platform.request(program);
    await platform.access.accept(request);
    await expect.poll(() => platform.engine.stats.callsRunning, SLOW).toBe(1);
    answer();
    await expect.poll(() => isWriting, SLOW).toBe(true);
    await virtual.advance(2_000); // it rings while the call's result is on its way to the log
    backMs = 10_000;
    write();
    await expect
      .poll(async () => (await rowOf(platform, request.id))?.status, SLOW)
      .toBe('COMPLETED');
  });

  it.each([
    ['was done', true],
    ['was not done', false],
  ])('is not kept by whoever gave it up and was not answered: it %s', async (_, done) => {
    const program = sleeps('1d');
    const releases: ReleaseRequest[] = [];
    const platform = platformWith({
      programs: [program],
      limits: { leaseMs: 1_000, heartbeatMs: 100 },
      decorateStore: (store) => ({
        ...store,
        async release(request) {
          releases.push(request);
          const isFirst = releases.length === 1;
          if (isFirst && !done) throw new Error('the session was lost');
          const answer = await store.release(request);
          if (isFirst) throw new Error('the session was lost');
          return answer;
        },
      }),
    });
    await platform.engine.start();
    const request = platform.request(program);
    await platform.access.accept(request);
    await expect
      .poll(async () => {
        const { owner, wakeAt } = (await rowOf(platform, request.id)) ?? {};
        return platform.engine.stats.active === 0 && owner === null && typeof wakeAt === 'number';
      }, SLOW)
      .toBe(true);
    // What was not done is done under another epoch, so that nothing of before can write.
    expect((await rowOf(platform, request.id))?.epoch).toBe(done ? 1 : releases[1]?.epoch);
    expect(releases).toHaveLength(done ? 1 : 2);
  });

  it('is taken where it is of a name that no process has, and not where it is set aside', async () => {
    const program = chainOf(1);
    const platform = platformWith({
      ...{ programs: [program], adopt: false },
      limits: { leaseMs: 1_000, heartbeatMs: 100, ownerlessMs: 100 },
    });
    const [lost, aside] = [platform.request(program), platform.request(program)];
    for (const [request, owner] of [
      [lost, 'a process that is forgotten'],
      [aside, 'quarantine'],
    ] as const) {
      await platform.access.accept(request);
      await database.admin.query(
        'update workflow_executions set owner = $2, epoch = 1, wake_at = null where id = $1',
        [request.id, owner],
      );
    }
    await platform.engine.start();
    await expect.poll(async () => (await rowOf(platform, lost.id))?.status, SLOW).toBe('COMPLETED');
    expect(await rowOf(platform, aside.id)).toMatchObject({
      ...{ status: 'PENDING', owner: 'quarantine', epoch: 1 },
    });
  });

  it('is not forgotten with an epoch that its own process made old, in a claim whose answer was lost', async () => {
    const program = chainOf(1);
    let answer = (): void => undefined;
    let calls = 0;
    let told = (): void => undefined;
    const slow = new Promise<void>((resolve) => {
      told = resolve;
    });
    let isClaimed = false;
    let isSuspicious = false;
    let isLost = false;
    let looksSince = 0;
    const platform: TestPlatform = platformWith({
      ...{ programs: [program], adopt: false },
      limits: { leaseMs: 3_000, heartbeatMs: 100 },
      performer: {
        ...answers,
        call: () => {
          calls += 1;
          const done = { ok: true, output: 'done', compensation: null } as const;
          if (calls > 1) return Promise.resolve(done);
          return new Promise((resolve) => {
            answer = () => resolve(done);
          });
        },
      },
      decorateStore: (store) => ({
        ...store,
        async claimOne(...asked) {
          const claimed = await store.claimOne(...asked);
          isClaimed = true;
          await slow;
          return claimed;
        },
        async claim() {
          if (!isClaimed || isSuspicious) return [];
          isSuspicious = true; // it looks for what is its own and not here
          throw new Error('the session was lost');
        },
        async owned(owner) {
          const owned = await store.owned(owner);
          if (isLost) looksSince += 1;
          return owned;
        },
        async claimAgain(...asked) {
          if (isLost) return store.claimAgain(...asked);
          told(); // what it takes again comes here at this very moment
          await expect.poll(() => calls, SLOW).toBe(1);
          await store.claimAgain(...asked);
          isLost = true;
          throw new Error('the session was lost');
        },
      }),
    });
    await platform.engine.start();
    const request = platform.request(program);
    await platform.access.accept(request);
    const { id: executionId } = request;
    platform.engine.hints.accepted({ tenant: TENANT, executionId, runtime: 'engine' });
    // All that is its own is here, so it has nothing more to look for; what is here is of the epoch before.
    await expect.poll(() => looksSince, SLOW).toBe(1);
    expect(platform.engine.stats.active).toBe(1);
    expect((await rowOf(platform, executionId))?.epoch).toBe(2);
    answer();
    await expect
      .poll(async () => (await rowOf(platform, executionId))?.status, SLOW)
      .toBe('COMPLETED');
    expect(calls).toBe(2);
  });

  describe('and whose checkpoint this version does not read', () => {
    const unreadable = (id: string) =>
      database.admin.query(
        `insert into execution_checkpoints (tenant_id, execution_id, seq, state)
           values ($1, $2, 1, '0:{"form":99}')`,
        [TENANT, id],
      );

    it('is taken up again when its log could not be read instead', async () => {
      const program = chainOf(1);
      let reads = 0;
      const platform = platformWith({
        ...{ programs: [program], adopt: false },
        limits: { leaseMs: 1_000, heartbeatMs: 100 },
        decorateStore: (store) => ({
          ...store,
          async reload(...asked) {
            reads += 1;
            if (reads === 1) throw new Error('the session was lost');
            return store.reload(...asked);
          },
        }),
      });
      const request = platform.request(program);
      await platform.access.accept(request);
      await unreadable(request.id);
      await platform.engine.start();
      await expect
        .poll(async () => (await rowOf(platform, request.id))?.status, SLOW)
        .toBe('COMPLETED');
      expect(reads).toBeGreaterThan(1);
    });

    it('is taken up again when its log could not be read after a write without an answer, however often that was tried', async () => {
      const program = chainOf(2);
      const called: string[] = [];
      let isLost = false;
      let failures = 0;
      const platform: TestPlatform = platformWith({
        ...{ programs: [program] },
        limits: { leaseMs: 1_000, heartbeatMs: 100 },
        performer: {
          ...answers,
          call: ({ key }) => {
            called.push(key);
            return Promise.resolve({ ok: true, output: 'done', compensation: null });
          },
        },
        decorateStore: (store) => ({
          ...store,
          async append(asked) {
            const answer = await store.append(asked);
            if (!isLost && asked.events.some(({ event }) => event.type === 'step_succeeded')) {
              isLost = true;
              await unreadable(asked.executionId);
              throw new Error('the session was lost');
            }
            return answer;
          },
          async reload(owner, tenant, id, epoch, whole) {
            // For as long as it is here; the log is read by whoever takes it up next.
            if (whole === true && platform.engine.stats.active > 0) {
              failures += 1;
              throw new Error('the session was lost');
            }
            return store.reload(owner, tenant, id, epoch, whole);
          },
        }),
      });
      await platform.engine.start();
      const request = platform.request(program);
      await platform.access.accept(request);
      await expect
        .poll(async () => (await rowOf(platform, request.id))?.status, SLOW)
        .toBe('COMPLETED');
      expect(failures).toBeGreaterThan(1);
      expect(called).toEqual(['step-1', 'step-2']);
    });
  });

  it('is given back where its log cannot be read, and goes on with who can', async () => {
    const program = chainOf(1);
    const platform = platformWith({ ...{ programs: [program], adopt: false } });
    const request = platform.request(program);
    await platform.access.accept(request);
    const events =
      'update execution_events set payload = $2 || substr(payload, 3) where execution_id = $1';
    await database.admin.query(events, [request.id, '9:']); // under a key that is not here
    await platform.engine.start();
    const row = async () => {
      const { rows } = await database.admin.query(
        `select owner, epoch, wake_at > clock_timestamp() + interval '1 second' as later
         from workflow_executions where id = $1`,
        [request.id],
      );
      return rows[0];
    };
    await expect.poll(row, SLOW).toEqual({ owner: null, epoch: 1, later: true });
    await database.admin.query(events, [request.id, '0:']);
    await database.admin.query(
      'update workflow_executions set wake_at = created_at where id = $1',
      [request.id],
    );
    await expect
      .poll(async () => (await rowOf(platform, request.id))?.status, SLOW)
      .toBe('COMPLETED');
  });

  it('is none because a signal of a neighbour cannot be read', async () => {
    const [program, waits] = [chainOf(1), sleeps('2s')];
    const lines: string[] = [];
    const platform = platformWith({
      ...{ programs: [program, waits], adopt: false },
      log: createJsonLog({ write: (line) => lines.push(line), level: 'error', time: () => '' }),
    });
    await platform.engine.start();
    const neighbour = platform.request(waits);
    await platform.access.accept(neighbour);
    await expect
      .poll(async () => (await rowOf(platform, neighbour.id))?.status, SLOW)
      .toBe('RUNNING');
    await database.admin.query(
      `insert into execution_signals (tenant_id, execution_id, at, payload)
         values ($1, $2, now(), '9:{}')`,
      [TENANT, neighbour.id],
    );
    const request = platform.request(program);
    await platform.access.accept(request);
    for (const { id } of [request, neighbour]) {
      await expect.poll(async () => (await rowOf(platform, id))?.status, SLOW).toBe('COMPLETED');
    }
    expect(lines.filter((line) => line.includes('SIGNAL_UNREADABLE')).length).toBeLessThan(2);
    expect(lines.join()).not.toContain('ENGINE_LOOP_FAILED');
  });

  it('costs no look at all that is active for a process that is long dead and has nothing left', async () => {
    const program = chainOf(1);
    const before = platformWith({ programs: [program], adopt: false });
    const request = before.request(program);
    await before.access.accept(request);
    await database.admin.query(
      `insert into engine_processes (owner, lease_until) values
         ('dead', clock_timestamp() - interval '2 minutes'), ('dying', clock_timestamp() - interval '5 seconds'),
         ('dead with work', clock_timestamp() - interval '2 minutes')`,
    );
    await database.admin.query(
      `update workflow_executions set owner = 'dead with work', epoch = 1, wake_at = null where id = $1`,
      [request.id],
    );
    const store = before.deps.store;
    expect(await store.takeOwnerless('me', 10)).toEqual([]);
    const { rows } = await database.admin.query<{ owner: string }>(
      `select owner from engine_processes where owner like 'd%' order by 1`,
    );
    expect(rows.map(({ owner }) => owner)).toEqual(['dead with work', 'dying']);
    await store.heartbeat('me', 5_000);
    expect(await store.takeOver('me', 10)).toHaveLength(1);
  });

  it('is not left to a name that is given up while a claim of it is under way', async () => {
    const program = chainOf(1);
    const told: string[] = [];
    let answer = (): void => undefined;
    const platform = platformWith({
      ...{ programs: [program], adopt: false },
      decorateStore: (store) => ({
        ...store,
        claim: () => Promise.resolve([]),
        async claimOne(owner, tenant, id) {
          told.push('claims');
          await new Promise<void>((resolve) => {
            answer = resolve;
          });
          const claimed = await store.claimOne(owner, tenant, id);
          told.push('claimed');
          return claimed;
        },
        async resign(owner) {
          told.push('resigns');
          await store.resign(owner);
        },
      }),
    });
    await platform.engine.start();
    const request = platform.request(program);
    await platform.access.accept(request);
    const { id: executionId } = request;
    platform.engine.hints.accepted({ tenant: TENANT, executionId, runtime: 'engine' });
    const stopping = platform.engine.stop();
    await expect.poll(() => told, SLOW).toEqual(['claims']);
    answer();
    await stopping;
    expect(told).toEqual(['claims', 'claimed', 'resigns']);
    const another = platformWith({ programs: [program] });
    await another.engine.start();
    await expect
      .poll(async () => (await rowOf(another, executionId))?.status, SLOW)
      .toBe('COMPLETED');
  });
});
