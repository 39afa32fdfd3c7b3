import { afterEach, beforeAll, expect, it } from 'vitest';
import { stepErrorCode } from '#core/errors.ts';
import type { ExecutionEvent } from '#core/execution/events.ts';
import type { Program } from '#core/plan/program.ts';
import type { StepPerformer } from '#engine/deps.ts';
import { createVirtualClock } from '#local/virtual-clock.ts';
import type { Clock } from '#ports/clock.ts';
import type { StepCall } from '#steps/perform-call.ts';
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

describeWithPostgres('the engine over PostgreSQL', () => {
  let database: TestDatabase;
  const open: TestPlatform[] = [];

  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((platform) => platform.close()));
  });

  async function start(
    options: Omit<TestPlatformOptions, 'url' | 'performer'> & { performer?: StepPerformer },
  ): Promise<TestPlatform> {
    const platform = createTestPlatform({ performer: answering(), ...options, url: database.url });
    open.push(platform);
    await platform.engine.start();
    return platform;
  }

  function answering(calls: StepCall[] = []): StepPerformer {
    return {
      call: async (call) => {
        calls.push(call);
        return { ok: true, output: { of: call.key }, compensation: null };
      },
      compensate: async () => ({ ok: true }),
    };
  }

  async function ended(platform: TestPlatform, id: string) {
    await expect
      .poll(async () => (await platform.access.getExecution(TENANT, id))?.endedAt, {
        timeout: 20_000,
        interval: 20,
      })
      .not.toBeNull();
    return (await platform.access.getExecution(TENANT, id))!;
  }

  async function run(platform: TestPlatform, program: Program) {
    const request = platform.request(program);
    await platform.access.accept(request);
    return ended(platform, request.id);
  }

  async function eventsOf(platform: TestPlatform, id: string): Promise<ExecutionEvent[]> {
    const page = await platform.access.listEvents(TENANT, id, { limit: 500, after: null });
    expect(page.items.map((each) => each.seq)).toEqual(page.items.map((_, i) => i + 1));
    return page.items.map((each) => each.event);
  }

  it.each([true, false])('runs a chain to its end (adopted: %s)', async (adopt) => {
    const calls: StepCall[] = [];
    const program = chainOf(4);
    const platform = await start({ programs: [program], performer: answering(calls), adopt });
    const execution = await run(platform, program);
    expect(execution).toMatchObject({
      status: 'COMPLETED',
      owner: null,
      epoch: 1,
      output: { 'step-1': { of: 'step-1' }, 'step-4': { of: 'step-4' } },
    });
    expect(calls.map((call) => [call.key, call.attempt])).toEqual([
      ['step-1', 1],
      ['step-2', 1],
      ['step-3', 1],
      ['step-4', 1],
    ]);
    const events = await eventsOf(platform, execution.id);
    expect(events.at(-1)?.type).toBe('execution_completed');
    const steps = await platform.access.listSteps(TENANT, execution.id, { limit: 10, after: null });
    expect(steps.items.map((each) => [each.step, each.status, each.class])).toEqual(
      [1, 2, 3, 4].map((n) => [`step-${n}`, 'SUCCESS', 'S']),
    );
    const { rows } = await database.admin.query<{ type: string }>(
      `select substr(payload, 3)::jsonb ->> 'event_type' as type from outbox where key = $1 order by xid, id`,
      [execution.id],
    );
    expect(rows.map((row) => row.type)).toEqual([
      'workflow.execution.created',
      'workflow.execution.started',
      'workflow.execution.completed',
    ]);
  });

  it('writes checkpoints, and goes on from one with its tail', async () => {
    const program = chainOf(25);
    const calls: StepCall[] = [];
    let stuck = true;
    const performer: StepPerformer = {
      ...answering(calls),
      call: (call) =>
        call.key === 'step-23' && stuck
          ? new Promise((resolve) => {
              call.signal?.addEventListener('abort', () =>
                resolve({ ok: false, error: { code: 'x', message: 'abandoned' } }),
              );
            })
          : answering(calls).call(call),
    };
    const first = await start({ programs: [program], performer, limits: { drainMs: 50 } });
    const request = first.request(program);
    await first.access.accept(request);
    await expect.poll(() => calls.length, { timeout: 10_000 }).toBe(22);
    const { rows } = await database.admin.query<{ seq: number }>(
      'select seq from execution_checkpoints where execution_id = $1',
      [request.id],
    );
    expect(rows).toHaveLength(1);
    expect(rows[0]!.seq).toBeGreaterThan(20);
    stuck = false;
    await first.engine.stop();
    const second = await start({ programs: [program], performer });
    expect((await ended(second, request.id)).status).toBe('COMPLETED');
    expect(calls.map((call) => call.key)).toEqual(
      Array.from({ length: 25 }, (_, i) => `step-${i + 1}`),
    );
  });

  it('waits in business time, parked, and wakes on time', async () => {
    const clock = createVirtualClock({ start: START });
    const program = programOf({
      workflow_id: 'waits',
      version: '1.0.0',
      steps: [{ id: 'nap', type: 'wait', config: { duration: '30d' } }],
    });
    const platform = await start({ programs: [program], clock });
    clock.addSettler(() => platform.engine.settled());
    const request = platform.request(program);
    await platform.access.accept(request);
    await expect
      .poll(async () => (await platform.access.getExecution(TENANT, request.id))?.wakeAt)
      .toBe(START + 30 * 86_400_000);
    expect(platform.engine.stats.active).toBe(0);
    await clock.advance(29 * 86_400_000);
    expect((await platform.access.getExecution(TENANT, request.id))?.status).toBe('RUNNING');
    await clock.advance(86_400_000);
    const execution = await ended(platform, request.id);
    expect(execution).toMatchObject({ status: 'COMPLETED', endedAt: START + 30 * 86_400_000 });
  });

  it('retries at the millisecond of the rule', async () => {
    const clock = createVirtualClock({ start: START });
    const at: number[] = [];
    const program = programOf({
      workflow_id: 'retries',
      version: '1.0.0',
      steps: [
        {
          id: 'call',
          type: 'http_request',
          config: {
            url: 'https://example.com/',
            retry: { max_attempts: 3, backoff: 'exponential' },
          },
        },
      ],
    });
    const performer: StepPerformer = {
      ...answering(),
      call: async ({ attempt }) => {
        at.push(clock.now() - START);
        return attempt < 4
          ? { ok: false, error: { code: stepErrorCode('ServerError'), message: 'no' } }
          : { ok: true, output: attempt, compensation: null };
      },
    };
    const platform = await start({ programs: [program], clock, performer });
    clock.addSettler(() => platform.engine.settled());
    const request = platform.request(program);
    await platform.access.accept(request);
    await clock.advance(60_000);
    expect((await ended(platform, request.id)).status).toBe('COMPLETED');
    expect(at).toEqual([0, 2_000, 6_000, 14_000]);
  });

  it('hears a signal within half a second, running or parked', async () => {
    const program = programOf({
      workflow_id: 'asks',
      version: '1.0.0',
      steps: [
        {
          id: 'ask',
          type: 'approval',
          config: { assignee: 'ada', message: 'go on?', timeout: '7d' },
        },
        {
          id: 'after',
          type: 'http_request',
          depends_on: ['ask'],
          config: { url: 'https://e.com/' },
        },
      ],
    });
    const platform = await start({ programs: [program] });
    // Signals of another process: no adopter tells this engine.
    const elsewhere = createTestPlatform({
      url: database.url,
      performer: answering(),
      programs: [program],
      adopt: false,
    });
    open.push(elsewhere);
    const request = platform.request(program);
    await platform.access.accept(request);
    await expect
      .poll(async () => (await platform.access.getExecution(TENANT, request.id))?.owner, {
        timeout: 5_000,
      })
      .toBeNull();
    const { items } = await elsewhere.access.listApprovals(
      TENANT,
      { status: 'pending', assignee: 'ada', executionId: request.id },
      { limit: 10, after: null },
    );
    expect(items).toMatchObject([{ step: 'ask', message: 'go on?', assignees: ['ada'] }]);
    const from = performance.now();
    const answer = { decision: 'approved', by: 'ada', comment: 'yes', at: Date.now() } as const;
    expect((await elsewhere.access.answerApproval(TENANT, items[0]!.id, answer)).kind).toBe(
      'stored',
    );
    const execution = await ended(platform, request.id);
    expect(performance.now() - from).toBeLessThan(1_500); // half a second, and a busy machine
    expect(execution.status).toBe('COMPLETED');
    const again = await elsewhere.access.answerApproval(TENANT, items[0]!.id, answer);
    expect(again).toMatchObject({ kind: 'answered', approval: { status: 'approved' } });
  });

  it('cancels what is running: the call is abandoned and nothing follows', async () => {
    const program = chainOf(2);
    let aborted = false;
    const performer: StepPerformer = {
      ...answering(),
      call: ({ signal }) =>
        new Promise((resolve) => {
          signal?.addEventListener('abort', () => {
            aborted = true;
            resolve({ ok: false, error: { code: 'x', message: 'late' } });
          });
        }),
    };
    const platform = await start({ programs: [program], performer });
    const request = platform.request(program);
    await platform.access.accept(request);
    await expect.poll(() => platform.engine.stats.callsRunning).toBe(1);
    await platform.access.signal(
      TENANT,
      request.id,
      { kind: 'cancel', by: 'ada', compensate: false, reason: null },
      Date.now(),
    );
    const execution = await ended(platform, request.id);
    expect(execution.status).toBe('CANCELLED');
    expect(aborted).toBe(true);
    const steps = await platform.access.listSteps(TENANT, request.id, { limit: 10, after: null });
    expect(steps.items.map((each) => [each.step, each.status])).toEqual([
      ['step-1', 'FAILED'],
      ['step-2', 'SKIPPED'],
    ]);
  });

  it('takes no more than it has room for, and finishes all the same', async () => {
    const program = chainOf(2);
    let most = 0;
    const platform = await start({
      programs: [program],
      limits: { maxActive: 5, pollMs: 20 },
      performer: {
        ...answering(),
        call: async (call) => {
          most = Math.max(most, platform.engine.stats.active);
          return answering().call(call);
        },
      },
    });
    const requests = Array.from({ length: 60 }, () => platform.request(program));
    await Promise.all(requests.map((request) => platform.access.accept(request)));
    for (const request of requests)
      expect((await ended(platform, request.id)).status).toBe('COMPLETED');
    expect(most).toBeLessThanOrEqual(5);
  });

  it('goes on after a write whose answer was lost, without doing anything twice', async () => {
    const program = chainOf(3);
    const calls: StepCall[] = [];
    let appends = 0;
    const platform = await start({
      programs: [program],
      performer: answering(calls),
      decorateStore: (store) => ({
        ...store,
        async append(request) {
          const answer = await store.append(request);
          appends += 1;
          // Committed, and the connection broke before its answer.
          if (appends % 2 === 0) throw new Error('connection lost');
          return answer;
        },
      }),
    });
    const execution = await run(platform, program);
    expect(execution.status).toBe('COMPLETED');
    expect(calls.map((call) => call.key)).toEqual(['step-1', 'step-2', 'step-3']);
    await eventsOf(platform, execution.id);
  });

  it('finds what it claimed where the answer was lost', async () => {
    const program = chainOf(2);
    let lost = 0;
    const once = new Set<string>();
    const platform = await start({
      programs: [program],
      adopt: false,
      limits: { leaseMs: 600, heartbeatMs: 100, pollMs: 50 },
      decorateStore: (store) => ({
        ...store,
        async claim(owner, limit, now) {
          const claimed = await store.claim(owner, limit, now);
          if (claimed.some((each) => !once.has(each.header.id))) {
            for (const each of claimed) once.add(each.header.id);
            lost += claimed.length;
            throw new Error('connection lost');
          }
          return claimed;
        },
      }),
    });
    const requests = Array.from({ length: 6 }, () => platform.request(program));
    await Promise.all(requests.map((request) => platform.access.accept(request)));
    for (const request of requests) {
      expect(await ended(platform, request.id)).toMatchObject({ status: 'COMPLETED', epoch: 2 });
    }
    expect(lost).toBe(6);
  });

  it('does not call again while an answer that it has cannot be written', async () => {
    const calls: StepCall[] = [];
    const program = chainOf(2);
    let refused = 0;
    const platform = await start({
      programs: [program],
      performer: answering(calls),
      decorateStore: (store) => ({
        ...store,
        append: (request) => {
          const has = request.events.some((each) => each.event.type === 'step_succeeded');
          if (!has || refused >= 3) return store.append(request);
          refused += 1;
          return Promise.reject(new Error('the disk is full'));
        },
      }),
    });
    expect((await run(platform, program)).status).toBe('COMPLETED');
    expect(refused).toBe(3);
    expect(calls.map(({ key }) => key)).toEqual(['step-1', 'step-2']);
  });

  it('lays aside what cannot be written, and harms nobody else', async () => {
    const good = chainOf(2);
    const bad = chainOf(1, { workflow_id: 'bad' });
    const platform = await start({
      programs: [good, bad],
      decorateStore: (store) => ({
        ...store,
        append: (request) =>
          request.events.some((each) => each.event.type === 'step_succeeded') &&
          request.executionId === broken.id
            ? Promise.reject(new Error('cannot be written'))
            : store.append(request),
      }),
    });
    const broken = platform.request(bad);
    await platform.access.accept(broken);
    expect((await run(platform, good)).status).toBe('COMPLETED');
    await expect
      .poll(async () => (await platform.access.getExecution(TENANT, broken.id))?.wakeAt, {
        timeout: 10_000,
      })
      .toBeGreaterThan(Date.now() + 30_000);
    expect(platform.engine.stats.active).toBe(0);
  });

  it('tries again what it laid aside after a minute of its own, though business time stands still', async () => {
    const minutes: (() => void)[] = [];
    const virtual = createVirtualClock({ start: START });
    const clock = Object.create(virtual, {
      after: {
        value: (ms: number, callback: () => void) => {
          if (ms < 60_000) return virtual.after(ms, callback);
          minutes.push(callback);
          return { cancel: () => undefined };
        },
      },
    }) as Clock;
    let away = true;
    const program = chainOf(1);
    const platform = await start({
      programs: [program],
      clock,
      decorateStore: (store) => ({
        ...store,
        append: (request) =>
          away && request.events.some((each) => each.event.type === 'step_succeeded')
            ? Promise.reject(new Error('cannot be written'))
            : store.append(request),
      }),
    });
    const request = platform.request(program);
    await platform.access.accept(request);
    await expect.poll(() => minutes.length, { timeout: 60_000 }).toBe(1);
    away = false;
    for (const minute of minutes) minute();
    expect((await ended(platform, request.id)).status).toBe('COMPLETED');
    expect(virtual.now()).toBe(START);
  });

  it('gives up what it has when it stops, and another goes on at once', async () => {
    const program = programOf({
      workflow_id: 'long',
      version: '1.0.0',
      steps: [
        { id: 'nap', type: 'wait', config: { duration: '2s' } },
        {
          id: 'after',
          type: 'http_request',
          depends_on: ['nap'],
          config: { url: 'https://e.com/' },
        },
      ],
    });
    const first = await start({ programs: [program] });
    const request = first.request(program);
    await first.access.accept(request);
    await expect
      .poll(async () => (await first.access.getExecution(TENANT, request.id))?.status)
      .toBe('RUNNING');
    await first.engine.stop();
    expect((await first.access.getExecution(TENANT, request.id))?.owner).toBeNull();
    const second = await start({ programs: [program] });
    const execution = await ended(second, request.id);
    expect(execution).toMatchObject({ status: 'COMPLETED', epoch: 2 });
  });
});
